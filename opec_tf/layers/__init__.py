"""The building blocks of OPEC-Net as Keras layers, one a file. They take arrays and numbers, never a config."""
