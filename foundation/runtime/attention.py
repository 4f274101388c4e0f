"""Which kernel attends, by diffusers' names."""

from diffusers.models.attention_dispatch import _AttentionBackendRegistry
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils import logging

from shared.errors import InputError

GPU_ONLY = ("_native_cudnn", "_native_efficient", "flash", "_flash_3", "sage", "xformers")


def set_attention(model: ModelMixin, backend: str, device: str) -> None:
    """Let every attention of a model use one kernel; `auto` leaves the choice to torch.

    diffusers makes the chosen kernel the default of the whole process as well; here other models keep theirs.

    Raises:
        InputError: The kernel's package is not installed, or it needs a GPU.
    """
    if backend == "auto":
        return
    if backend in GPU_ONLY and device != "cuda":
        raise InputError(f"attention {backend!r} needs a GPU, and the device is {device!r}: use 'native'")
    default, _ = _AttentionBackendRegistry.get_active_backend()
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it warns of an experimental interface, which nobody here can act on
    try:
        model.set_attention_backend(backend)
    except (RuntimeError, ImportError) as error:
        raise InputError(f"attention {backend!r} is not here: {str(error).strip()}") from error
    finally:
        logging.set_verbosity(verbosity)
        _AttentionBackendRegistry.set_active_backend(default)
