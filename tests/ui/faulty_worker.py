"""Kinora's worker, in which a job whose prompt speaks of a fault breaks in the middle."""

import sys

from apps.prompt_rewrite.pipeline import PromptRewriter
from ui.jobs.host import JobHost, JobWatcher
from ui.jobs.worker import main

FAULT = "a red ball without end"


def break_down(prompt):
    if prompt == FAULT:
        raise RuntimeError("injected")


def patch():
    told, rewritten, watched = JobWatcher._told, PromptRewriter.__call__, JobHost.sampling

    def sampling(self, total, label):
        self.prompt = self._job.settings["prompt"]
        return watched(self, total, label)

    def tell(self, step, latents, denoised):
        told(self, step, latents, denoised)
        break_down(self._host.prompt)

    def rewrite(self, prompt, *words, **settings):
        rewritten(self, "a red ball", *words, **settings)
        break_down(prompt)
        return rewritten(self, prompt, *words, **settings)

    JobHost.sampling, JobWatcher._told, PromptRewriter.__call__ = sampling, tell, rewrite


if __name__ == "__main__":
    patch()
    main(sys.argv[1:])
