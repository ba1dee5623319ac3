"""Checks of notebook 08: frozen features, k-NN, a linear probe, retrieval, choosing k."""

# ruff: noqa: F401
from minidino.checks.evaluation.choose_k import check_8_5
from minidino.checks.evaluation.frozen_features import check_8_1
from minidino.checks.evaluation.knn import check_8_2
from minidino.checks.evaluation.linear_probe import check_8_3
from minidino.checks.evaluation.precision import check_8_4
