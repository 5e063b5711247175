//! One history item: whether it is a message, who wrote the message, and its text. The item is walked through
//! once, as its bytes arrive, and only its text is kept. Where a member stands twice in an item, the last one
//! counts.

use alloc::string::String;

use crate::json::{Nesting, NotJson, TextSink, Token, Tokenizer, Word};

/// Where the text of an item goes. Positions in it are numbers of bytes.
pub(crate) trait ItemText {
    /// How long it is.
    fn length(&self) -> usize;
    /// Appends to it.
    fn append(&mut self, text: &str);
    /// Takes back what stands behind `length`: where the item began, or where its newest part did.
    fn take_back(&mut self, length: usize);
    /// A part of the item begins here.
    fn part_begins(&mut self) {}
    /// What the tokenizer appends to.
    fn incoming(&mut self) -> &mut String;
    /// Takes in what the tokenizer has appended.
    fn take_in(&mut self) {}
}

/// All of the text, behind other text.
impl ItemText for String {
    fn length(&self) -> usize {
        self.len()
    }

    fn append(&mut self, text: &str) {
        self.push_str(text);
    }

    fn take_back(&mut self, length: usize) {
        self.truncate(length);
    }

    fn incoming(&mut self) -> &mut String {
        self
    }
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// A message of the assistant.
    Assistant,
    /// A message of the user.
    User,
    /// Why the turn before it failed; see [`ItemDecoder::failure`].
    TurnFailed,
    /// Anything else, including items of an unknown shape.
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
    Reason,
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
    is_failure: bool,
    /// The kind that the role gives to a message.
    role: Option<ItemKind>,
    /// The content is a list, and all its parts were of known types so far.
    content: bool,
    id: bool,
    status: bool,
    is_incomplete: bool,
}

/// How much of the reason of a failure is kept, in bytes.
const REASON_BYTES: usize = 2048;

/// What is known of a part.
struct Part {
    member: PartMember,
    /// The member that the type asks for.
    wants: PartMember,
    /// Where the part's text begins, with the empty line before it.
    start: usize,
    text: bool,
    refusal: bool,
}

const TYPE: Word = Word::of("type");
const ROLE: Word = Word::of("role");
const CONTENT: Word = Word::of("content");
const ID: Word = Word::of("id");
const STATUS: Word = Word::of("status");
const REASON: Word = Word::of("reason");
const MESSAGE: Word = Word::of("message");
const TURN_FAILED: Word = Word::of("turn_failed");
const ASSISTANT: Word = Word::of("assistant");
const USER: Word = Word::of("user");
const SYSTEM: Word = Word::of("system");
const INPROGRESS: Word = Word::of("inprogress");
const COMPLETED: Word = Word::of("completed");
const INCOMPLETE: Word = Word::of("incomplete");
const TEXT: Word = Word::of("text");
const REFUSAL: Word = Word::of("refusal");

/// The decoder of one item.
pub(crate) struct ItemDecoder {
    tokenizer: Tokenizer,
    /// How many brackets are open around the item.
    outer: u32,
    shape: Shape,
    part: Part,
    /// Where the item's text begins.
    before: usize,
    /// The item's text follows other text, even where it begins at 0.
    follows: bool,
    /// Of a failure.
    reason: String,
}

impl ItemDecoder {
    /// The decoder of an item that begins with the next byte, inside the open brackets `around`. The item's
    /// text will be appended to a text of the length `before`, which follows other text if `follows`.
    pub(crate) fn new(around: Nesting, before: usize, follows: bool) -> Self {
        Self {
            tokenizer: Tokenizer::at_value(around),
            outer: around.depth(),
            shape: Shape {
                member: Member::Other,
                is_message: false,
                is_failure: false,
                role: None,
                content: false,
                id: true,
                status: true,
                is_incomplete: false,
            },
            part: Part::at(before),
            before,
            follows,
            reason: String::new(),
        }
    }

    /// Why the turn of the complete item failed, as far as the item tells; `None` where it tells of no failure.
    pub(crate) fn failure(&self) -> Option<&str> {
        if self.shape.is_failure {
            return Some(if self.reason.is_empty() { "no reason is given" } else { &self.reason });
        }
        (self.shape.is_message && self.shape.is_incomplete).then_some("its answer is incomplete")
    }

    /// Takes the item's next bytes. If they hold the item's end, gives the item's kind, and how many of the
    /// bytes belong to it. Then the text parts of a message have been appended to `text`, each with an empty
    /// line before it if it follows other text. Until then, `text` may end with text that turns out not to be
    /// a message's: the role mostly stands behind the content.
    pub(crate) fn feed<T: ItemText>(
        &mut self,
        bytes: &[u8],
        text: &mut T,
    ) -> Result<Option<(ItemKind, usize)>, NotJson> {
        let mut rest = bytes;
        loop {
            let within = self.tokenizer.nesting().depth() - self.outer;
            let is_text = within == 3 && self.takes_text();
            let is_reason = within == 1 && self.shape.member == Member::Reason;
            let mut sink = if is_reason {
                TextSink { text: &mut self.reason, most: REASON_BYTES }
            } else {
                TextSink { text: text.incoming(), most: usize::MAX }
            };
            let token = self.tokenizer.next(&mut rest, (is_text || is_reason).then_some(&mut sink));
            text.take_in();
            let token = token.map_err(|why| NotJson { why, at: bytes.len() - rest.len() })?;
            let Some(token) = token else { return Ok(None) };
            let within = self.tokenizer.nesting().depth() - self.outer;
            self.take(within, token, text);
            if within == 0 {
                return Ok(Some((self.kind(text), bytes.len() - rest.len())));
            }
        }
    }

    /// Whether a string within a part is its text.
    fn takes_text(&self) -> bool {
        self.shape.member == Member::Content && self.shape.content && self.part.member == PartMember::Text
    }

    /// The kind of the complete item. The text of an item that is no message is taken back.
    fn kind(&self, text: &mut impl ItemText) -> ItemKind {
        match self.shape {
            Shape {
                is_message: true,
                role: Some(kind @ (ItemKind::Assistant | ItemKind::User)),
                content: true,
                id: true,
                status: true,
                ..
            } => kind,
            _ => {
                text.take_back(self.before);
                if self.shape.is_failure { ItemKind::TurnFailed } else { ItemKind::Other }
            }
        }
    }

    /// Takes a token that stands inside so many brackets of the item.
    fn take(&mut self, within: u32, token: Token, text: &mut impl ItemText) {
        let Self { tokenizer, shape, part, before, follows, reason, .. } = self;
        match (within, token) {
            (1, Token::Key) => {
                shape.member = match tokenizer.word() {
                    TYPE => Member::Type,
                    ROLE => Member::Role,
                    CONTENT => Member::Content,
                    ID => Member::Id,
                    STATUS => Member::Status,
                    REASON => Member::Reason,
                    _ => Member::Other,
                };
                // The member counts as unknown until its value turns out to be a known one.
                match shape.member {
                    Member::Type => (shape.is_message, shape.is_failure) = (false, false),
                    Member::Role => shape.role = None,
                    Member::Content => {
                        shape.content = false;
                        text.take_back(*before);
                    }
                    Member::Id => shape.id = false,
                    Member::Status => (shape.status, shape.is_incomplete) = (false, false),
                    Member::Reason => reason.clear(),
                    Member::Other => {}
                }
            }
            (1, Token::Text) => match shape.member {
                Member::Type => {
                    shape.is_message = tokenizer.word() == MESSAGE;
                    shape.is_failure = tokenizer.word() == TURN_FAILED;
                }
                Member::Role => {
                    shape.role = match tokenizer.word() {
                        ASSISTANT => Some(ItemKind::Assistant),
                        USER => Some(ItemKind::User),
                        SYSTEM => Some(ItemKind::Other),
                        _ => None,
                    }
                }
                Member::Id => shape.id = true,
                Member::Status => {
                    shape.status = matches!(tokenizer.word(), INPROGRESS | COMPLETED | INCOMPLETE);
                    shape.is_incomplete = tokenizer.word() == INCOMPLETE;
                }
                Member::Content | Member::Reason | Member::Other => {}
            },
            (1, Token::Null) => match shape.member {
                Member::Id => shape.id = true,
                Member::Status => shape.status = true,
                _ => {}
            },
            (2, Token::ArrayBegins) if shape.member == Member::Content => shape.content = true,
            _ if shape.member != Member::Content || !shape.content => {}

            (3, Token::ObjectBegins) => {
                *part = Part::at(text.length());
                text.part_begins();
            }
            (3, Token::Key) => {
                part.member = match tokenizer.word() {
                    TYPE => PartMember::Type,
                    TEXT => PartMember::Text,
                    REFUSAL => PartMember::Refusal,
                    _ => PartMember::Other,
                };
                match part.member {
                    PartMember::Type => part.wants = PartMember::Other,
                    PartMember::Text => {
                        part.text = false;
                        text.take_back(part.start);
                        if part.start > 0 || *follows {
                            text.append("\n\n");
                        }
                    }
                    PartMember::Refusal => part.refusal = false,
                    PartMember::Other => {}
                }
            }
            (3, Token::Text) => match part.member {
                PartMember::Type => {
                    part.wants = match tokenizer.word() {
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
                    text.take_back(part.start);
                    shape.content = part.refusal;
                }
                // A message with a part of an unknown type is left out as a whole.
                PartMember::Type | PartMember::Other => shape.content = false,
            },
            // A part that is not an object.
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
