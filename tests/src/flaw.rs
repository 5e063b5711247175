//! What the deliberately wrong hosts of the kit's own tests do wrong. A case says which of these it catches,
//! and a test holds it to that.

use std::fmt;

macro_rules! flaws {
    ($(#[doc = $about:literal] $variant:ident = $word:literal;)*) => {
        /// A fault of a host.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Flaw { $(#[doc = $about] $variant,)* }

        impl Flaw {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word for it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What such a host does.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

flaws! {
    /// Ignores grants: whatever is asked is allowed.
    IgnoresGrants = "ignores-grants";
    /// Follows sockets into every directory.
    IgnoresDirectories = "ignores-directories";
    /// Heeds no limit but the defaults.
    NoLimits = "no-limits";
    /// Forgets its read cursors between two calls.
    LosesCursors = "loses-cursors";
    /// Moves its read cursor before the answer has been given.
    MovesCursorsEarly = "moves-cursors-early";
    /// Words its summaries in its own way.
    WrongWording = "wrong-wording";
    /// Reports each error as `execution-failed`, without a reason.
    WrongKinds = "wrong-kinds";
    /// Does each call twice.
    CallsTwice = "calls-twice";
    /// Gives the first line of a text only.
    CutsText = "cuts-text";
    /// Does not tell that a turn failed.
    HidesFailures = "hides-failures";
    /// Takes a pod that answers wrongly for a stopped one.
    HidesFaults = "hides-faults";
    /// Takes any turn for its own: reports messages as sent that the pod rejected.
    BelievesInTurns = "believes-in-turns";
    /// Takes a pod whose backlog is full for a stopped one.
    CallsStuckStopped = "calls-stuck-stopped";
    /// Goes on where a cursor stands, though the history was rewritten.
    SkipsRewritten = "skips-rewritten";
    /// Loses the part that follows one of an item that is longer than an answer.
    LosesParts = "loses-parts";
    /// Shows control characters as they are.
    ShowsControls = "shows-controls";
    /// Asks the registry before the grants: a refusal tells whether a pod exists.
    TellsOfPods = "tells-of-pods";
    /// Follows symbolic links to wherever a socket is.
    FollowsLinks = "follows-links";
    /// Says that a pod was stopped when it was not.
    BelievesInStops = "believes-in-stops";
    /// Takes every number for a process: releases entries whose number is none here.
    BelievesNumbers = "believes-numbers";
    /// Never answers where an operation takes too long.
    WaitsForEver = "waits-for-ever";
    /// Ends at the first line that it cannot read.
    DiesOfBadLines = "dies-of-bad-lines";
    /// Writes its request and closes the connection at once, whatever the pod has to say.
    HangsUp = "hangs-up";
    /// Changes the scope table without taking its lock.
    IgnoresLock = "ignores-lock";
    /// Takes the scope lock and does not let go of it.
    LeaksLock = "leaks-lock";
    /// Takes no notice of what a killed process left undone to the scope table.
    IgnoresJournal = "ignores-journal";
    /// Replaces the scope table's file instead of changing it in place.
    ReplacesTable = "replaces-table";
    /// Leaves the scope table torn.
    TearsTable = "tears-table";
    /// Does not release the scope of pods that it stopped.
    KeepsScope = "keeps-scope";
    /// Does not forget pods that it stopped.
    KeepsRecords = "keeps-records";
    /// Believes files of state that others can write to.
    BelievesAnybody = "believes-anybody";
    /// Waits for no run to end: says at once that it has.
    AnswersEarly = "answers-early";
    /// Answers a wait when its time is up, whenever the run has ended.
    AnswersLate = "answers-late";
    /// Takes the end of one pod's run for that of another's.
    WaitsForAnother = "waits-for-another";
    /// Believes whatever a pod says it has spawned.
    BelievesInSpawns = "believes-in-spawns";
    /// Repeats what stands in a damaged file.
    TellsContent = "tells-content";
    /// Keeps descriptors open from one call to the next.
    KeepsDescriptors = "keeps-descriptors";
    /// Takes a pod whose socket takes no connections for a dead one, whatever its process says.
    TakesSilenceForDeath = "takes-silence-for-death";
    /// Drops fields and entries of the registry and of the scope table that it does not know.
    DropsUnknown = "drops-unknown";
}

impl Flaw {
    /// The flaw of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|flaw| flaw.word() == word)
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
