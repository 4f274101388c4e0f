"""From noise to data and back: schedules, the sampler, guidance, and the training objective."""
