"""How a model runs on a machine: device, dtype, memory, kernels. Thin, on diffusers' and torch's facilities."""
