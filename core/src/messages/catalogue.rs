//! The list of all findings, for the documentation and for tests: generated from the types, so it is complete.

use crate::time::{Span, Time};

/// Which values the fields of an example have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// The name of the field in upper case, as in the documentation.
    Names,
    /// Longer than any name, host or text of a provider.
    Long,
    /// Characters that do something in a shell, or change what is displayed.
    Hostile,
}

/// A type whose values can be listed: all variants, each with examples of its fields.
pub trait Example: Sized + Clone {
    /// The values. `field` is the name of the field that has this type.
    fn examples(field: &str, values: Values) -> Vec<Self>;
}

impl Example for String {
    fn examples(field: &str, values: Values) -> Vec<String> {
        vec![match values {
            Values::Names => field.to_uppercase().replace('_', "-"),
            Values::Long => "lengthy-".repeat(250),
            Values::Hostile => "x'y\"$(id)`id`;\\ \u{202e}z\u{200b}\n<b>&|".to_owned(),
        }]
    }
}

impl<T: Example> Example for Option<T> {
    fn examples(field: &str, values: Values) -> Vec<Option<T>> {
        let there = T::examples(field, values).into_iter().map(Some);
        there.chain([None]).collect()
    }
}

impl<T: Example> Example for Vec<T> {
    fn examples(field: &str, values: Values) -> Vec<Vec<T>> {
        let one = T::examples(field, values);
        let many = match values {
            Values::Names => 2,
            Values::Long | Values::Hostile => 40,
        };
        vec![one.iter().cycle().take(many).cloned().collect()]
    }
}

/// One by name, because the list has the others as messages of their own; otherwise all.
impl<T: Example> Example for Box<T> {
    fn examples(field: &str, values: Values) -> Vec<Box<T>> {
        let most = match values {
            Values::Names => 1,
            Values::Long | Values::Hostile => usize::MAX,
        };
        let all = T::examples(field, values).into_iter();
        all.take(most).map(Box::new).collect()
    }
}

impl Example for bool {
    fn examples(_: &str, _: Values) -> Vec<bool> {
        vec![true, false]
    }
}

/// Types with one example.
macro_rules! one_example {
    ($($type:ty = $value:expr;)*) => {
        $(
            impl Example for $type {
                fn examples(_: &str, _: Values) -> Vec<$type> {
                    vec![$value]
                }
            }
        )*
    };
}

one_example! {
    u16 = 599;
    u32 = 1234;
    usize = 1_234_567;
    Time = Time::from_seconds(1_790_000_000);
    Span = Span::from_seconds(3599);
}

/// The next value for a field, of the number `rest` in a product of all fields.
pub(super) fn pick<T: Clone>(all: &[T], rest: &mut usize) -> Option<T> {
    let index = rest.checked_rem(all.len())?;
    *rest /= all.len();
    all.get(index).cloned()
}

/// Defines an enum, and lists its values.
macro_rules! catalogue {
    (
        $(#[$about:meta])*
        pub enum $name:ident {
            $(
                $(#[$of_variant:meta])*
                $variant:ident $({
                    $($(#[$of_field:meta])* $field:ident: $type:ty),* $(,)?
                })?
            ),* $(,)?
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $(
                $(#[$of_variant])*
                $variant $({ $($(#[$of_field])* $field: $type),* })?
            ),*
        }

        impl $crate::messages::Example for $name {
            fn examples(_: &str, values: $crate::messages::Values) -> Vec<$name> {
                let _ = values;
                let mut all = Vec::new();
                $(
                    $($(
                        let $field = <$type as $crate::messages::Example>::examples(
                            stringify!($field),
                            values,
                        );
                    )*)?
                    let total = 1_usize $($( * $field.len() )*)?;
                    all.extend((0..total).filter_map(|index| {
                        let mut rest = index;
                        let _ = &mut rest;
                        Some($name::$variant $({
                            $($field: $crate::messages::catalogue::pick(&$field, &mut rest)?),*
                        })?)
                    }));
                )*
                all
            }
        }
    };
}
pub(super) use catalogue;

impl Example for &'static str {
    fn examples(field: &str, _: Values) -> Vec<&'static str> {
        vec![match field {
            "field" => "spec.provider.tokenURL",
            "annotation" => "oauthclient.dev/allowed-token-hosts",
            "kind" => "StatefulSet",
            _ => "a text of this program",
        }]
    }
}
