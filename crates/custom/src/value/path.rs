//! Where in a value we are; only findings turn it into text.

/// The steps from the root.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl<'a> Path<'a> {
    pub fn field(&'a self, name: &'a str) -> Path<'a> {
        Path::Field(self, name)
    }

    pub fn key(&'a self, name: &'a str) -> Path<'a> {
        Path::Key(self, name)
    }

    pub fn index(&'a self, at: usize) -> Path<'a> {
        Path::Index(self, at)
    }

    pub fn is_root(&self) -> bool {
        matches!(self, Path::Root)
    }

    /// `spec.list[0].field`, keys of maps as `field[key]`: as field errors write it.
    pub fn text(&self) -> String {
        self.write(true)
    }

    /// `spec.list[0].field`, keys of maps as fields: as schema validation writes it.
    pub fn dotted(&self) -> String {
        self.write(false)
    }

    fn write(&self, brackets: bool) -> String {
        match self {
            Path::Root => String::new(),
            Path::Key(parent, name) if brackets => format!("{}[{name}]", parent.write(brackets)),
            Path::Field(parent, name) | Path::Key(parent, name) => {
                let mut out = parent.write(brackets);
                if !out.is_empty() {
                    out.push('.');
                }
                out + name
            }
            Path::Index(parent, at) => format!("{}[{at}]", parent.write(brackets)),
        }
    }
}
