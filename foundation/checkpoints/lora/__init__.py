"""LoRA adapters: low-rank updates of the transformer's layers, in files of diffusers', official or kohya layout."""
