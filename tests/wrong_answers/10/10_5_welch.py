# names: The share is that of Welch's t-test
def is_it_real(ours: list[float], theirs: list[float]) -> tuple[float, float]:
    from scipy import stats

    seen = sum(ours) / len(ours) - sum(theirs) / len(theirs)
    return seen, float(stats.ttest_ind(ours, theirs, equal_var=False).pvalue)
