"""The benchmark owns the measured speed and memory of the gateway, side by side with no gateway at all."""
