"""The networks, and the folder of a training run that holds their weights."""
