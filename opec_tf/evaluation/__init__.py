"""Evaluation: OKS, predictions, average precision under each data set's protocol, occlusion statistics."""
