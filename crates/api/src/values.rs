//! Reflection of the plain types that structs are made of.

use crate::{
    Edit, IntOrString, List, Map, MicroTime, Optional, Quantity, Raw, Reflect, Struct, Time, Type, Typed,
    View,
};
use std::collections::BTreeMap;

macro_rules! plain {
    ($rust:ty, $type:ident, |$v:ident| $view:expr, $edit:ident) => {
        impl Typed for $rust {
            const TYPE: &'static Type = &Type::$type;
        }
        impl Reflect for $rust {
            fn view(&self) -> View<'_> {
                let $v = self;
                $view
            }
            fn edit(&mut self) -> Edit<'_> {
                Edit::$edit(self)
            }
            fn reset(&mut self) {
                *self = Default::default();
            }
        }
    };
}

plain!(bool, Bool, |v| View::Bool(*v), Bool);
plain!(i32, Int32, |v| View::Int(i64::from(*v)), Int32);
plain!(i64, Int64, |v| View::Int(*v), Int64);
plain!(f64, Float64, |v| View::Float(*v), Float);
plain!(String, String, |v| View::String(v), String);
plain!(Vec<u8>, Bytes, |v| View::Bytes(v), Bytes);
plain!(Quantity, Quantity, |v| View::Quantity(v), Quantity);
plain!(Time, Time, |v| View::Time(v), Time);
plain!(MicroTime, MicroTime, |v| View::MicroTime(v), MicroTime);
plain!(IntOrString, IntOrString, |v| View::IntOrString(v), IntOrString);
plain!(Raw, Raw, |v| View::Raw(v), Raw);

/// What may stand in a list: everything but the byte, whose list is [`Type::Bytes`].
trait Item: Reflect + Typed + Default {}
impl Item for i32 {}
impl Item for i64 {}
impl Item for String {}
impl Item for Raw {}
impl Item for Quantity {}
impl<T: Struct + Typed + Default> Item for T {}

impl<T: Item> Typed for Vec<T> {
    const TYPE: &'static Type = &Type::List(T::TYPE);
}

impl<T: Item> Reflect for Vec<T> {
    fn view(&self) -> View<'_> {
        View::List(self)
    }
    fn edit(&mut self) -> Edit<'_> {
        Edit::List(self)
    }
    fn reset(&mut self) {
        self.clear();
    }
}

impl<T: Item> List for Vec<T> {
    fn len(&self) -> usize {
        self.len()
    }
    fn item(&self, at: usize) -> Option<&dyn Reflect> {
        self.get(at).map(|v| v as &dyn Reflect)
    }
    fn item_mut(&mut self, at: usize) -> Option<&mut dyn Reflect> {
        self.get_mut(at).map(|v| v as &mut dyn Reflect)
    }
    fn push(&mut self) -> &mut dyn Reflect {
        self.push(T::default());
        let last = self.len() - 1;
        &mut self[last]
    }
    fn remove(&mut self, at: usize) {
        if at < self.len() {
            self.remove(at);
        }
    }
}

/// A list of strings that protobuf wraps in a message (`ExtraValue`, `Verbs`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items(pub Vec<String>);

impl Typed for Items {
    const TYPE: &'static Type = &Type::Items(&Type::String);
}

impl Reflect for Items {
    fn view(&self) -> View<'_> {
        View::List(&self.0)
    }
    fn edit(&mut self) -> Edit<'_> {
        Edit::List(&mut self.0)
    }
    fn reset(&mut self) {
        self.0.clear();
    }
}

impl<T: Reflect + Typed + Default> Typed for BTreeMap<String, T> {
    const TYPE: &'static Type = &Type::Map(T::TYPE);
}

impl<T: Reflect + Typed + Default> Reflect for BTreeMap<String, T> {
    fn view(&self) -> View<'_> {
        View::Map(self)
    }
    fn edit(&mut self) -> Edit<'_> {
        Edit::Map(self)
    }
    fn reset(&mut self) {
        self.clear();
    }
}

impl<T: Reflect + Typed + Default> Map for BTreeMap<String, T> {
    fn len(&self) -> usize {
        self.len()
    }
    fn value(&self, key: &str) -> Option<&dyn Reflect> {
        self.get(key).map(|v| v as &dyn Reflect)
    }
    fn entries<'a>(&'a self) -> Box<dyn Iterator<Item = (&'a str, &'a dyn Reflect)> + 'a> {
        Box::new(self.iter().map(|(k, v)| (k.as_str(), v as &dyn Reflect)))
    }
    fn entry(&mut self, key: String) -> &mut dyn Reflect {
        self.entry(key).or_default()
    }
    fn remove(&mut self, key: &str) -> bool {
        self.remove(key).is_some()
    }
}

impl<T: Typed> Typed for Option<T> {
    const TYPE: &'static Type = T::TYPE;
}

impl<T: Reflect + Default> Reflect for Option<T> {
    fn view(&self) -> View<'_> {
        self.as_ref().map_or(View::Null, |v| v.view())
    }
    fn edit(&mut self) -> Edit<'_> {
        Edit::Optional(self)
    }
    fn reset(&mut self) {
        *self = None;
    }
}

impl<T: Reflect + Default> Optional for Option<T> {
    fn is_set(&self) -> bool {
        self.is_some()
    }
    fn set(&mut self) -> &mut dyn Reflect {
        self.get_or_insert_default()
    }
    fn unset(&mut self) {
        *self = None;
    }
}

impl<T: Typed> Typed for Box<T> {
    const TYPE: &'static Type = T::TYPE;
}

impl<T: Reflect> Reflect for Box<T> {
    fn view(&self) -> View<'_> {
        (**self).view()
    }
    fn edit(&mut self) -> Edit<'_> {
        (**self).edit()
    }
    fn reset(&mut self) {
        (**self).reset();
    }
}
