//! Words that are like others: what somebody meant who wrote one that is not known.

/// How alike two words must be for one to have been meant by the other: as clap has it.
const ALIKE: f64 = 0.7;

/// What to add to a message about a word that is not known; nothing if no word is like it.
pub fn did_you_mean<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    let alike = words.into_iter().map(|known| (strsim::jaro(word, known), known));
    let best = alike.filter(|(likeness, _)| *likeness >= ALIKE).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or(String::new(), |(_, known)| format!("; did you mean `{known}`?"))
}
