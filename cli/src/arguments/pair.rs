//! `KEY=VALUE`, for environment variables and labels.

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Before the first `=`; never empty.
    pub key: String,
    /// Behind it; may be empty and may hold more `=`.
    pub value: String,
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// A sentence that says what is missing.
pub fn parse_pair(text: &str) -> Result<Pair, String> {
    match text.split_once('=') {
        Some(("", _)) => Err("the key before `=` is empty; write KEY=VALUE".to_owned()),
        Some((key, value)) => Ok(Pair {
            key: key.to_owned(),
            value: value.to_owned(),
        }),
        // Values are not taken over from this shell: the containers run elsewhere, and a value
        // that silently differs between two shells is hard to find.
        None => Err(format!("there is no `=`; write {text}=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_equals_sign_divides() {
        let pair = parse_pair("QUERY=a=b").unwrap();
        assert_eq!((pair.key.as_str(), pair.value.as_str()), ("QUERY", "a=b"));
    }

    #[test]
    fn a_value_may_be_empty_but_a_key_may_not() {
        assert_eq!(parse_pair("EMPTY=").unwrap().value, "");
        assert!(parse_pair("=x").unwrap_err().contains("empty"));
    }

    #[test]
    fn a_key_alone_is_refused() {
        assert!(parse_pair("PATH").unwrap_err().contains("PATH=VALUE"));
    }
}
