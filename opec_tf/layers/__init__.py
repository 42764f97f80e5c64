"""The building blocks of OPEC-Net as Keras layers, a family a file. They take arrays and numbers, never a config."""
