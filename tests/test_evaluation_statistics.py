"""Intervals that cover, and p-values that tell."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evaluation.statistics import bootstrap_mean, compare


def test_the_interval_covers_the_true_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        mean = bootstrap_mean(generator.normal(3.0, 2.0, 40))
        covered += mean.low <= 3.0 <= mean.high
    assert 0.9 <= covered / 200 <= 0.99


def test_the_interval_is_about_two_standard_errors_each_way():
    values = np.random.default_rng(1).normal(0, 1, 400)
    mean = bootstrap_mean(values)
    assert mean.value == pytest.approx(values.mean()) and mean.n == 400
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert bootstrap_mean(values) == mean  # always the same draws


def test_weights_make_it_the_ratio_of_the_sums():
    errors, words = np.array([0, 5, 1]), np.array([10, 5, 20])
    assert bootstrap_mean(errors / words, words).value == pytest.approx(6 / 35)


def test_what_is_not_known_is_left_out():
    mean = bootstrap_mean([1.0, math.nan, 3.0])
    assert (mean.value, mean.n) == (2.0, 2)
    assert bootstrap_mean([]).n == 0 and math.isnan(bootstrap_mean([math.nan]).value)
    one = bootstrap_mean([4.0])
    assert one.value == 4.0 and math.isnan(one.low) and math.isnan(one.high)


def test_paired_differences_are_seen_where_unpaired_ones_are_not():
    generator = np.random.default_rng(2)
    sentence = generator.normal(0, 10, 50)
    better = sentence + 0.5 + generator.normal(0, 0.5, 50)
    result = compare(better, sentence)
    assert result.p_value < 1e-4 and result.difference.low > 0.2 and result.difference.high < 0.8
    unchanged = compare(sentence + generator.normal(0, 0.5, 50), sentence)
    assert unchanged.p_value > 0.05 and unchanged.difference.low < 0 < unchanged.difference.high


def test_without_a_difference_p_is_one_and_without_pairs_there_is_nothing():
    result = compare([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert result.p_value == 1 and result.difference.value == 0
    assert compare([1.0, math.nan], [math.nan, 2.0]) is None


def test_p_values_are_even_when_nothing_differs():
    generator = np.random.default_rng(3)
    values = [compare(generator.normal(size=20), generator.normal(size=20)).p_value for _ in range(200)]
    assert np.mean(np.array(values) < 0.05) < 0.1 and 0.4 < np.mean(values) < 0.6
