//! Text that came from elsewhere, made harmless for a terminal.
//!
//! Control characters could move the cursor, change the window's title or hide what was printed;
//! marks of direction and characters without width could make one name look like another.

/// Shows each character that a terminal would act on as `\u{…}`, line breaks and tabs too.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_active(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// As [`escape`], but leaves line breaks, for text of several lines.
pub fn escape_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(escape).collect();
    lines.join("\n")
}

fn is_active(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_on_is_shown_instead() {
        assert_eq!(escape("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(escape("a\r\nb\tc"), "a\\r\\nb\\tc");
        assert_eq!(escape("\u{9b}0m"), "\\u{9b}0m");
        assert_eq!(escape("exe\u{202e}gpj"), "exe\\u{202e}gpj");
    }

    #[test]
    fn letters_of_any_language_stay() {
        assert_eq!(escape("größe 容器 😀"), "größe 容器 😀");
    }

    #[test]
    fn lines_stay_lines_where_they_may() {
        assert_eq!(escape_lines("one\ntwo\r"), "one\ntwo\\r");
    }
}
