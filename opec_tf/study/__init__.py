"""The ablation study: many variants of the network, each trained over several seeds, those of a seed from one base.

::

  ROOT/base/seedN/                workdir of a seed's base; ROOT/base/ of a given one
  ROOT/base/evaluation_SPLIT/     its scores: the table's first row
  ROOT/ROW/seedN/                 workdir of a run
  ROOT/ROW/seedN/evaluation_SPLIT/
  ROOT/config.json                the settings that all rows share
  ROOT/ablation.csv               a line a row, seed, split and pose
  ROOT/ablation.md, ablation.png  mean and spread over the seeds

SPLIT is test or heldout. What is finished is left as it is, and the tables are made of all that is finished, so several
processes with different rows or seeds may fill one folder once its base is there.
"""
