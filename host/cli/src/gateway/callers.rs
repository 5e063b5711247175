//! Who may open a session, by which token, and with what authority.

use std::path::PathBuf;
use std::sync::Arc;

use pod_tools_host::Authority;

use super::places::CallerName;
use crate::grants_file::{GrantsFile, GrantsOfCaller, Placed};
use crate::options::{HostOptions, SetUpError};
use crate::token::Token;

/// One of those who may.
#[derive(Debug)]
pub struct Caller {
    /// `None`: the one of `--token-file`.
    pub name: CallerName,
    pub authority: Authority,
    token: Arc<Token>,
}

/// All who may at present.
#[derive(Debug)]
pub struct Callers(Vec<Arc<Caller>>);

impl Callers {
    /// Those of the grants file, or the one who shows `token`. They take the place of earlier ones: who is not among them
    /// any more may do nothing more in the sessions that he has open.
    pub fn new(
        host: &HostOptions,
        token: Option<&Arc<Token>>,
        file: Option<&GrantsFile>,
        earlier: Option<&Self>,
    ) -> Result<Self, SetUpError> {
        let all = match (token, file.filter(|file| Self::of(file).next().is_some())) {
            (Some(token), None) => vec![Caller::of_options(host, token, file, earlier)?],
            (None, Some(file)) => Caller::of_file(host, file, earlier)?,
            (Some(_), Some(file)) => {
                let why = "callers in the grants file have token files of their own: leave out --token-file, or name a \
                           grants file without [[caller]]";
                return Err(file.fault_at(&file.callers[0].name, why.to_owned()).into());
            }
            // The last caller was removed: nobody is left.
            (None, None) if earlier.is_some() => Vec::new(),
            (None, None) => return Err(SetUpError::NoToken),
        };
        for gone in earlier.into_iter().flat_map(|earlier| &earlier.0) {
            if !all.iter().any(|caller| caller.name == gone.name) {
                // Nothing is granted to him: what he has open is held to that from here on.
                host.authority_with(&[], file, Some(&gone.authority))?;
            }
        }
        Ok(Self(all.into_iter().map(Arc::new).collect()))
    }

    /// Those of the file who show tokens; others sign, and come to a node.
    fn of(file: &GrantsFile) -> impl Iterator<Item = (&GrantsOfCaller, &Placed<PathBuf>)> {
        file.callers.iter().filter_map(|caller| Some((caller, caller.token_file.as_ref()?)))
    }

    /// Whose token that is. It is compared with all there are, so that the time does not tell whose it is like.
    pub fn who_shows(&self, token: &str) -> Option<Arc<Caller>> {
        let mut found = None;
        for caller in &self.0 {
            if caller.token.is(token.as_bytes()) {
                found = Some(caller.clone());
            }
        }
        found
    }

    fn named(&self, name: &CallerName) -> Option<&Caller> {
        self.0.iter().map(Arc::as_ref).find(|caller| caller.name == *name)
    }
}

impl Caller {
    fn of_options(
        host: &HostOptions,
        token: &Arc<Token>,
        file: Option<&GrantsFile>,
        earlier: Option<&Callers>,
    ) -> Result<Self, SetUpError> {
        let before = earlier.and_then(|earlier| earlier.named(&None));
        let authority = host.authority(file, before.map(|caller| &caller.authority))?;
        Ok(Self { name: None, authority, token: token.clone() })
    }

    fn of_file(
        host: &HostOptions,
        file: &GrantsFile,
        earlier: Option<&Callers>,
    ) -> Result<Vec<Self>, SetUpError> {
        // All tokens before the first authority: that takes the place of an earlier one.
        let mut tokens: Vec<(&GrantsOfCaller, Arc<Token>)> = Vec::with_capacity(file.callers.len());
        for (caller, path) in Callers::of(file) {
            let token =
                Token::read(&path.value).map_err(|error| file.fault_at(path, format!("{error:#}")))?;
            if let Some((other, _)) = tokens.iter().find(|(_, other)| other.is_same(&token)) {
                let other = other.name.value.as_str().escape_debug();
                let why = format!(
                    "this is the token of caller `{other}`, and would tell nobody who shows it; make another"
                );
                return Err(file.fault_at(path, why).into());
            }
            tokens.push((caller, Arc::new(token)));
        }
        let made = tokens.into_iter().map(|(caller, token)| {
            let name = Some(caller.name.value.clone());
            let before = earlier.and_then(|earlier| earlier.named(&name));
            let before = before.map(|caller| &caller.authority);
            let authority = host.authority_with(&caller.grants, Some(file), before)?;
            Ok(Self { name, authority: authority.read_by(caller.name.value.clone()), token })
        });
        made.collect()
    }
}
