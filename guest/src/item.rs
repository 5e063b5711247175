//! One history item: whether it is a message, of whom, and its text. The item is walked through once, as its
//! bytes arrive; nothing is kept of it but the text that is given out. Of a member that is there twice, the last
//! one counts.

use crate::grammar::{Grammar, Token};
use crate::scan::{Nesting, NotJson};
use crate::string::{TextSink, Word};

/// What an item is to a reader of the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A message of the assistant.
    Assistant,
    /// A message of the user.
    User,
    /// Everything else, shapes that are not known included.
    Other,
}

/// The members that tell an item's shape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Member {
    Type,
    Role,
    Content,
    Id,
    Status,
    Other,
}

/// The members of a part of a message's content.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PartMember {
    Type,
    Text,
    Refusal,
    Other,
}

/// What is known of an item.
struct Shape {
    member: Member,
    is_message: bool,
    /// The kind of item that the role makes of a message.
    role: Option<Item>,
    /// The content is a list, and all its parts were of known types so far.
    content: bool,
    id: bool,
    status: bool,
}

/// What is known of a part.
struct Part {
    member: PartMember,
    /// Which member the type asks for.
    wants: PartMember,
    /// Where its text begins, with the empty line before it.
    start: usize,
    text: bool,
    refusal: bool,
}

const TYPE: Word = Word::of("type");
const ROLE: Word = Word::of("role");
const CONTENT: Word = Word::of("content");
const ID: Word = Word::of("id");
const STATUS: Word = Word::of("status");
const MESSAGE: Word = Word::of("message");
const ASSISTANT: Word = Word::of("assistant");
const USER: Word = Word::of("user");
const SYSTEM: Word = Word::of("system");
const INPROGRESS: Word = Word::of("inprogress");
const COMPLETED: Word = Word::of("completed");
const INCOMPLETE: Word = Word::of("incomplete");
const TEXT: Word = Word::of("text");
const REFUSAL: Word = Word::of("refusal");

/// An item that is being decoded.
pub(crate) struct ItemDecoder {
    grammar: Grammar,
    /// How many brackets are open around the item.
    outer: u32,
    shape: Shape,
    part: Part,
    /// Where the item's text begins, and whether it follows other text.
    before: usize,
    follows: bool,
}

impl ItemDecoder {
    /// An item that begins with the next byte, within the brackets that are open around it. What there is of its
    /// text will be appended to `text`, which follows other text if `follows`.
    pub(crate) fn new(around: Nesting, text: &str, follows: bool) -> Self {
        Self {
            grammar: Grammar::at_value(around),
            outer: around.depth(),
            shape: Shape {
                member: Member::Other,
                is_message: false,
                role: None,
                content: false,
                id: true,
                status: true,
            },
            part: Part::at(text.len()),
            before: text.len(),
            follows,
        }
    }

    /// Takes the item's next bytes. When they hold its end: what it is, and how many of them belong to it. Then
    /// the text parts of a message have been appended to `text`, with an empty line between them and what there
    /// was already. Before that there may be what turns out not to be a message's text: the role mostly stands
    /// behind the content.
    pub(crate) fn feed(&mut self, bytes: &[u8], text: &mut String) -> Result<Option<(Item, usize)>, NotJson> {
        let mut rest = bytes;
        loop {
            let within = self.grammar.nesting().depth() - self.outer;
            let is_text = within == 3 && self.takes_text();
            let mut sink = TextSink { text, most: usize::MAX };
            let token = self.grammar.next(&mut rest, is_text.then_some(&mut sink));
            let token = token.map_err(|why| NotJson { why, at: bytes.len() - rest.len() })?;
            let Some(token) = token else { return Ok(None) };
            let within = self.grammar.nesting().depth() - self.outer;
            self.take(within, token, text);
            if within == 0 {
                return Ok(Some((self.item(text), bytes.len() - rest.len())));
            }
        }
    }

    /// Whether a string within a part is its text.
    fn takes_text(&self) -> bool {
        self.shape.member == Member::Content && self.shape.content && self.part.member == PartMember::Text
    }

    fn item(&self, text: &mut String) -> Item {
        match self.shape {
            Shape {
                is_message: true,
                role: Some(item @ (Item::Assistant | Item::User)),
                content: true,
                id: true,
                status: true,
                ..
            } => item,
            _ => {
                text.truncate(self.before);
                Item::Other
            }
        }
    }

    /// Takes a token, within so many brackets of the item.
    fn take(&mut self, within: u32, token: Token, text: &mut String) {
        let Self { grammar, shape, part, before, follows, .. } = self;
        match (within, token) {
            (1, Token::Key) => {
                shape.member = match grammar.word() {
                    TYPE => Member::Type,
                    ROLE => Member::Role,
                    CONTENT => Member::Content,
                    ID => Member::Id,
                    STATUS => Member::Status,
                    _ => Member::Other,
                };
                // Until its value turns out to be one that is known.
                match shape.member {
                    Member::Type => shape.is_message = false,
                    Member::Role => shape.role = None,
                    Member::Content => {
                        shape.content = false;
                        text.truncate(*before);
                    }
                    Member::Id => shape.id = false,
                    Member::Status => shape.status = false,
                    Member::Other => {}
                }
            }
            (1, Token::Text) => match shape.member {
                Member::Type => shape.is_message = grammar.word() == MESSAGE,
                Member::Role => {
                    shape.role = match grammar.word() {
                        ASSISTANT => Some(Item::Assistant),
                        USER => Some(Item::User),
                        SYSTEM => Some(Item::Other),
                        _ => None,
                    }
                }
                Member::Id => shape.id = true,
                Member::Status => {
                    shape.status = matches!(grammar.word(), INPROGRESS | COMPLETED | INCOMPLETE)
                }
                Member::Content | Member::Other => {}
            },
            (1, Token::Null) => match shape.member {
                Member::Id => shape.id = true,
                Member::Status => shape.status = true,
                _ => {}
            },
            (2, Token::ArrayBegins) if shape.member == Member::Content => shape.content = true,
            _ if shape.member != Member::Content || !shape.content => {}

            (3, Token::ObjectBegins) => *part = Part::at(text.len()),
            (3, Token::Key) => {
                part.member = match grammar.word() {
                    TYPE => PartMember::Type,
                    TEXT => PartMember::Text,
                    REFUSAL => PartMember::Refusal,
                    _ => PartMember::Other,
                };
                match part.member {
                    PartMember::Type => part.wants = PartMember::Other,
                    PartMember::Text => {
                        part.text = false;
                        text.truncate(part.start);
                        if part.start > 0 || *follows {
                            text.push_str("\n\n");
                        }
                    }
                    PartMember::Refusal => part.refusal = false,
                    PartMember::Other => {}
                }
            }
            (3, Token::Text) => match part.member {
                PartMember::Type => {
                    part.wants = match grammar.word() {
                        TEXT => PartMember::Text,
                        REFUSAL => PartMember::Refusal,
                        _ => PartMember::Other,
                    }
                }
                PartMember::Text => part.text = true,
                PartMember::Refusal => part.refusal = true,
                PartMember::Other => {}
            },
            (2, Token::Ends) => match part.wants {
                PartMember::Text => shape.content = part.text,
                PartMember::Refusal => {
                    text.truncate(part.start);
                    shape.content = part.refusal;
                }
                // A part of an unknown type: the message is left out whole.
                PartMember::Type | PartMember::Other => shape.content = false,
            },
            // A part that is no object.
            (2, Token::Text | Token::Scalar | Token::Null) | (3, Token::ArrayBegins) => shape.content = false,
            _ => {}
        }
    }
}

impl Part {
    fn at(start: usize) -> Self {
        Self { member: PartMember::Other, wants: PartMember::Other, start, text: false, refusal: false }
    }
}

#[cfg(test)]
mod tests;
