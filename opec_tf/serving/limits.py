"""What exports, commands and files in serving/ agree on."""

# Rows a picture in signature "image", padding included: their crops lie in memory at the same time.
MOST_PEOPLE = 128
# Sizes with warmup records unless others are asked for; the last is max_batch_size in
# serving/batching_parameters.txt.
WARMUP_BATCH_SIZES = (1, 2, 4, 8)
