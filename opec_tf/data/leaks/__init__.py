"""Pictures of one data set that also are in another: found by their bytes and by their perceptual hashes, and shown."""
