//! Suggestions for misspelt names.

/// `; did you mean "x"?` for the known name most similar to a misspelt one; empty if none is similar.
pub(crate) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default()
}

/// The candidate most similar to `name`, if it is similar enough.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const SIMILAR: f64 = 0.75;
    let best = ranked(name, candidates).into_iter().next();
    best.filter(|(similarity, _)| *similarity > SIMILAR).map(|(_, candidate)| candidate)
}

/// The four candidates most similar to `name`, however little.
#[cfg(feature = "torch")]
pub(crate) fn nearest_of_all<'a>(name: &str, candidates: &'a [String]) -> Vec<&'a str> {
    const COUNT: usize = 4;
    ranked(name, candidates.iter().map(String::as_str))
        .into_iter()
        .take(COUNT)
        .map(|(_, candidate)| candidate)
        .collect()
}

fn ranked<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Vec<(f64, &'a str)> {
    let name = name.to_lowercase();
    let similarity = |candidate: &str| strsim::jaro_winkler(&name, &candidate.to_lowercase());
    let mut ranked: Vec<(f64, &str)> =
        candidates.into_iter().map(|candidate| (similarity(candidate), candidate)).collect();
    // The sort is stable: of equally similar names the first comes first.
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked
}
