"""The engines that Fireside is compared with, each in an environment of its own."""
