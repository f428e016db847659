//! Which of several forms a client likes best.

use axum::http::{HeaderMap, header};

/// The index of the form that a client likes best, of those that there are; the first one if it does not
/// say, or likes several as much. None if it takes none of them.
pub(crate) fn preferred(headers: &HeaderMap, forms: &[&str]) -> Option<usize> {
    let values = headers.get_all(header::ACCEPT).iter();
    let ranges: Vec<(&str, f32)> = values
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .filter_map(range)
        .collect();
    if ranges.is_empty() {
        return Some(0);
    }
    let mut best: Option<(usize, f32)> = None;
    for (index, form) in forms.iter().enumerate() {
        // What names a form exactly counts before what names many.
        let fitting = ranges.iter().filter(|(range, _)| fits(range, form));
        let weight = fitting.min_by_key(|(range, _)| range.matches('*').count());
        let weight = weight.map_or(0.0, |(_, weight)| *weight);
        if weight > best.map_or(0.0, |(_, best)| best) {
            best = Some((index, weight));
        }
    }
    best.map(|(index, _)| index)
}

/// A media range, and how much it is liked.
fn range(text: &str) -> Option<(&str, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let weight = parts.find_map(|part| part.strip_prefix("q="));
    Some((
        range,
        weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)),
    ))
}

fn fits(range: &str, form: &str) -> bool {
    match range.strip_suffix("/*") {
        Some("*") => true,
        Some(kind) => form.split('/').next() == Some(kind),
        None => range == form,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_form_that_is_liked_best_is_taken_and_the_first_of_equals() {
        let forms = [
            "application/json",
            "application/x-ndjson",
            "text/event-stream",
        ];
        let preferred = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            preferred(&headers, &forms)
        };
        assert_eq!(super::preferred(&HeaderMap::new(), &forms), Some(0));
        assert_eq!(preferred("*/*"), Some(0));
        assert_eq!(preferred("application/*"), Some(0));
        assert_eq!(preferred("text/*"), Some(2));
        assert_eq!(preferred("application/x-ndjson"), Some(1));
        assert_eq!(preferred("*/*;q=0.1, text/event-stream"), Some(2));
        assert_eq!(preferred("*/*, application/json;q=0.1"), Some(1));
        assert_eq!(preferred("application/json;q=0"), None);
        assert_eq!(preferred("image/png"), None);
    }
}
