//! A JSON object whose members keep the text that they were written in.
//!
//! The files of state are shared with programs of other versions: a member that this one does not know, or a
//! number that it would round, must come out of a rewrite as it went in.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

/// The members in their order, repeated names included.
#[derive(Debug, Clone, Default)]
pub(crate) struct RawObject(Vec<(String, Box<RawValue>)>);

impl RawObject {
    /// The first member of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| &**value)
    }

    /// How many members have that name.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(key, _)| key == name).count()
    }

    /// Replaces the first member of that name and drops its repetitions, or appends it.
    pub(crate) fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter().position(|(key, _)| key == name) {
            Some(first) => {
                self.0[first].1 = value;
                let mut index = 0;
                self.0.retain(|(key, _)| {
                    index += 1;
                    index - 1 == first || key != name
                });
            }
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// The members in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), &**value))
    }
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = RawObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawObject, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(RawObject(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Serialize for RawObject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// An object in which one member is written from a value, as deep in the document as it stands.
pub(crate) struct With<'a, T> {
    pub(crate) object: &'a RawObject,
    /// The member: replaced where there is one, else appended.
    pub(crate) name: &'a str,
    pub(crate) value: &'a T,
}

impl<T: Serialize> Serialize for With<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.object.iter() {
            if name == self.name {
                map.serialize_entry(name, self.value)?;
            } else {
                map.serialize_entry(name, value)?;
            }
        }
        if self.object.get(self.name).is_none() {
            map.serialize_entry(self.name, self.value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_a_repeated_member_leaves_one_in_the_first_place() {
        let mut object: RawObject = serde_json::from_str(r#"{"a": 1, "b":  2.0, "a": 3}"#).unwrap();
        object.set("a", RawValue::from_string("4".into()).unwrap());
        object.set("c", RawValue::from_string("5".into()).unwrap());
        assert_eq!(serde_json::to_string(&object).unwrap(), r#"{"a":4,"b":2.0,"c":5}"#);
    }
}
