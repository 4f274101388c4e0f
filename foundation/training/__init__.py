"""The training core. It imports torch, diffusers, accelerate, peft, hydra and numpy alone."""
