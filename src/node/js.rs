//! Reading JavaScript values without being surprised by them.
//!
//! A getter or a proxy may throw at any read, prototypes may be polluted, and globals replaced. So
//! whatever belongs to the caller is read by the functions of `realm.js`; a failed N-API read would
//! leave its exception pending.

use napi::bindgen_prelude::{
    FnArgs, FromNapiValue as _, Function, JsObjectValue as _, Object, Result, ToNapiValue, Unknown, ValueType,
};
use napi::{Env, Error, JsValue as _, Property, PropertyAttributes, Status};

use super::lifetime::{JsEnvironment, Loaded};
use crate::environment::Environment;
use crate::request::{text_fault, variable_name_fault};

type Get<'env> = Function<'env, FnArgs<(Unknown<'env>, &'env str)>, Unknown<'env>>;
type OfSignal<'env> = Function<'env, FnArgs<(Unknown<'env>, Function<'env, (), ()>)>, Unknown<'env>>;

/// The JavaScript world of one call.
pub struct Js<'env> {
    pub env: &'env Env,
    pub lifetime: JsEnvironment,
    realm: Object<'env>,
    process: Unknown<'env>,
    read: Get<'env>,
    own: Get<'env>,
}

impl<'env> Js<'env> {
    pub fn new(env: &'env Env) -> Result<Self> {
        let nothing = || Error::new(Status::GenericFailure, "the addon was not loaded");
        let loaded = env.get_instance_data::<Loaded>()?.ok_or_else(nothing)?;
        let realm = loaded.realm.get_value(env)?;
        Ok(Self {
            env,
            lifetime: loaded.environment.clone(),
            realm,
            process: realm.get_named_property("process")?,
            read: realm.get_named_property("read")?,
            own: realm.get_named_property("own")?,
        })
    }

    /// The property `name` of an object, unless it is `Object.prototype`'s. Fails if reading it
    /// throws.
    pub fn read(&self, object: Unknown<'env>, name: &str) -> Result<Unknown<'env>> {
        // The name lives as long as the call, which is all that is needed of it.
        self.read.call((object, name).into())
    }

    /// The property `name` of an object itself. Fails if reading it throws.
    pub fn own(&self, object: Unknown<'env>, name: &str) -> Result<Unknown<'env>> {
        self.own.call((object, name).into())
    }

    /// The names of an object's own enumerable properties. Fails if reading them throws.
    pub fn keys(&self, object: Unknown<'env>) -> Result<Vec<String>> {
        let keys: Function<'env, FnArgs<(Unknown<'env>,)>, Vec<String>> = self.realm.get_named_property("keys")?;
        keys.call((object,).into())
    }

    /// The elements if the value is an array; a hole is undefined, whatever `Array.prototype`
    /// holds.
    pub fn array(&self, value: Unknown<'env>) -> Result<Option<Vec<Unknown<'env>>>> {
        if value.get_type()? != ValueType::Object || !Object::from_unknown(value)?.is_array()? {
            return Ok(None);
        }
        let length = Object::from_unknown(value)?.get_array_length()?;
        (0..length).map(|index| self.own(value, &index.to_string())).collect::<Result<_>>().map(Some)
    }

    /// An error whose stack begins with the caller.
    pub fn trace(&self) -> Result<Object<'env>> {
        let trace: Function<'env, (), Object<'env>> = self.realm.get_named_property("trace")?;
        trace.call(())
    }

    /// A `TypeError` if the mistake is the caller's, else an `Error`; its stack is to be defined.
    pub fn error(&self, is_callers: bool) -> Result<Object<'env>> {
        let error: Function<'env, bool, Object<'env>> = self.realm.get_named_property("error")?;
        error.call(is_callers)
    }

    /// Adds `listener` to a signal. Fails if the signal throws.
    pub fn listen(&self, signal: Unknown<'env>, listener: Function<'env, (), ()>) -> Result<()> {
        self.of_signal("listen", signal, listener)
    }

    /// Removes `listener` from a signal. Fails if the signal throws.
    pub fn unlisten(&self, signal: Unknown<'env>, listener: Function<'env, (), ()>) -> Result<()> {
        self.of_signal("unlisten", signal, listener)
    }

    fn of_signal(&self, what: &str, signal: Unknown<'env>, listener: Function<'env, (), ()>) -> Result<()> {
        let function: OfSignal<'env> = self.realm.get_named_property(what)?;
        function.call((signal, listener).into()).map(drop)
    }

    /// Gives a promise a handler of its rejection, and does not wait for it. Fails if the promise
    /// throws.
    pub fn forgive(&self, promise: Unknown<'env>) -> Result<()> {
        let forgive: Function<'env, FnArgs<(Unknown<'env>,)>, Unknown<'env>> =
            self.realm.get_named_property("forgive")?;
        forgive.call((promise,).into()).map(drop)
    }

    /// `process.platform`.
    pub fn platform(&self) -> Result<String> {
        text(self.read(self.process, "platform")?).map(Option::unwrap_or_default)
    }

    /// `process.execPath`.
    pub fn exec_path(&self) -> Result<Option<String>> {
        text(self.read(self.process, "execPath")?)
    }

    /// `process.env`, as JavaScript sees it now.
    pub fn process_env(&self) -> Result<Unknown<'env>> {
        self.read(self.process, "env")
    }

    /// The string-valued properties of an object, as an environment. Windows hides variables there
    /// whose names begin with `=`; nothing that no process can carry is taken over.
    pub fn environment(&self, variables: Unknown<'env>) -> Result<Environment> {
        let mut entries = Vec::new();
        if object(variables)?.is_some() {
            for name in self.keys(variables)? {
                if let Some(value) = text(self.own(variables, &name)?)?
                    && variable_name_fault(&name).is_none()
                    && text_fault(&value).is_none()
                {
                    entries.push((name, value));
                }
            }
        }
        Ok(Environment::new(entries))
    }
}

/// What JavaScript is given, as napi would make it of a struct, but for the properties that may be
/// absent: napi sets these, and `Object.prototype` may have a setter of their name. They are taken
/// out before and defined after.
pub trait Answer {
    fn into_js(self, env: &Env) -> Result<Unknown<'_>>;
}

/// The object that napi makes of a struct.
pub fn object_from(env: &Env, value: impl ToNapiValue) -> Result<Object<'_>> {
    Object::from_unknown(value.into_unknown(env)?)
}

/// A property to define on an object of this package's own.
pub fn property(env: &Env, name: &str, value: impl ToNapiValue, attributes: PropertyAttributes) -> Result<Property> {
    let value = value.into_unknown(env)?;
    Ok(Property::new().with_utf8_name(name)?.with_value(&value).with_property_attributes(attributes))
}

/// Defines a property of an object of this package's own, if there is a value.
pub fn define<T: ToNapiValue>(env: &Env, object: &mut Object<'_>, name: &str, value: Option<T>) -> Result<()> {
    let Some(value) = value else { return Ok(()) };
    object.define_properties(&[property(env, name, value, PropertyAttributes::default())?])
}

/// The value, unless it is undefined or null.
pub fn present(value: Unknown<'_>) -> Result<Option<Unknown<'_>>> {
    let absent = matches!(value.get_type()?, ValueType::Undefined | ValueType::Null);
    Ok((!absent).then_some(value))
}

/// The value if it is a string.
pub fn text(value: Unknown<'_>) -> Result<Option<String>> {
    (value.get_type()? == ValueType::String).then(|| String::from_unknown(value)).transpose()
}

/// The value if it is a number.
pub fn number(value: Unknown<'_>) -> Result<Option<f64>> {
    (value.get_type()? == ValueType::Number).then(|| f64::from_unknown(value)).transpose()
}

/// The value if it is a boolean.
pub fn boolean(value: Unknown<'_>) -> Result<Option<bool>> {
    (value.get_type()? == ValueType::Boolean).then(|| bool::from_unknown(value)).transpose()
}

/// The value if it is an object, but neither an array nor a function.
pub fn object(value: Unknown<'_>) -> Result<Option<Object<'_>>> {
    if value.get_type()? != ValueType::Object {
        return Ok(None);
    }
    let object = Object::from_unknown(value)?;
    Ok((!object.is_array()?).then_some(object))
}
