"""Public weights of other frameworks, read without those frameworks, as the base of a workdir.

Four steps, a module each: ``reading``, a file as NumPy arrays (by ``pytorch_file``, ``safetensors_file``,
``keras_file`` and ``tfjs_file``); ``recognition``, which network the arrays are; ``base_loading``, the arrays in a base
of this project (``movenet`` is both of these for that network); ``conversion``, all of it, from a file to a workdir.
"""
