//! Access letters: `c`, `r`, `u`, `d`.

use std::fmt;
use std::str::FromStr;

/// A set of access letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Access(u8);

/// One to four distinct letters, as grants have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Letters(pub Access);

/// Why a text is no set of letters; shown to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LettersError {
    #[error("it is empty")]
    Empty,
    #[error("`{0}` is no access letter")]
    Unknown(char),
    #[error("`{0}` stands twice")]
    Twice(char),
}

impl Access {
    /// No letter.
    pub const NONE: Access = Access(0);
    /// `c`
    pub const CREATE: Access = Access(1);
    /// `r`
    pub const READ: Access = Access(2);
    /// `u`
    pub const UPDATE: Access = Access(4);
    /// `d`
    pub const DELETE: Access = Access(8);

    /// The letters, each with its position in tables.
    pub const LETTERS: [Access; 4] = [Access::CREATE, Access::READ, Access::UPDATE, Access::DELETE];

    /// Whether all letters of `other` are in this set.
    pub const fn has(self, other: Access) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether there is exactly one.
    pub const fn is_one(self) -> bool {
        self.0.is_power_of_two()
    }

    /// Both sets together.
    #[must_use]
    pub const fn or(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }

    /// Positions of this set's letters in [`Access::LETTERS`].
    pub fn positions(self) -> impl Iterator<Item = usize> {
        (0..4).filter(move |at| self.0 & (1 << at) != 0)
    }

    /// How much a letter lets one do: read, update, create, delete.
    pub fn strength(self) -> u8 {
        match self {
            Access::READ => 1,
            Access::UPDATE => 2,
            Access::CREATE => 3,
            Access::DELETE => 4,
            _ => 0,
        }
    }

    /// The words that `explain` and the logs use.
    pub fn as_str(self) -> &'static str {
        match self.0 {
            0 => "none",
            1 => "create",
            2 => "read",
            4 => "update",
            8 => "delete",
            5 => "create+update",
            3 => "create+read",
            _ => "several",
        }
    }
}

impl FromStr for Letters {
    type Err = LettersError;

    fn from_str(text: &str) -> Result<Letters, LettersError> {
        let mut found = Access::NONE;
        for letter in text.chars() {
            let access = match letter {
                'c' => Access::CREATE,
                'r' => Access::READ,
                'u' => Access::UPDATE,
                'd' => Access::DELETE,
                other => return Err(LettersError::Unknown(other)),
            };
            if found.has(access) {
                return Err(LettersError::Twice(letter));
            }
            found = found.or(access);
        }
        if found.is_none() { Err(LettersError::Empty) } else { Ok(Letters(found)) }
    }
}

impl fmt::Display for Letters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, access) in ["c", "r", "u", "d"].iter().zip(Access::LETTERS) {
            if self.0.has(access) {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_one_to_four_and_distinct() {
        assert_eq!("dcru".parse::<Letters>().unwrap().to_string(), "crud");
        assert_eq!("".parse::<Letters>(), Err(LettersError::Empty));
        assert_eq!("x".parse::<Letters>(), Err(LettersError::Unknown('x')));
        assert_eq!("R".parse::<Letters>(), Err(LettersError::Unknown('R')));
        assert_eq!("rr".parse::<Letters>(), Err(LettersError::Twice('r')));
    }
}
