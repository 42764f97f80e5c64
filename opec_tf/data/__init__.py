"""Data: readers of annotation files, the synthetic data set, training proposals, augmentation, the input pipelines."""
