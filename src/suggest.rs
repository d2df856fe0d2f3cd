//! What a misspelt name may have been meant to be.

/// The candidate most like `name`, if any is like it at all.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    ranked(name, candidates).into_iter().next().filter(|(likeness, _)| *likeness > 0.75).map(|(_, candidate)| candidate)
}

/// The few candidates most like `name`, however little that is.
#[cfg(feature = "torch")]
pub(crate) fn nearest_of_all<'a>(name: &str, candidates: &'a [String]) -> Vec<&'a str> {
    const FEW: usize = 4;
    ranked(name, candidates.iter().map(String::as_str)).into_iter().take(FEW).map(|(_, candidate)| candidate).collect()
}

fn ranked<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<(f64, &'a str)> {
    let name = name.to_lowercase();
    let likeness = |candidate: &str| strsim::jaro_winkler(&name, &candidate.to_lowercase());
    let mut ranked: Vec<(f64, &str)> =
        candidates.into_iter().map(|candidate| (likeness(candidate), candidate)).collect();
    // A stable sort: of equals the first stays first.
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked
}
