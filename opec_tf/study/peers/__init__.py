"""Side by side with a peer: the same networks in PyTorch, a plain OpenCV data set, the published scoring tools."""
