//! Reads and creates JavaScript values safely in a hostile environment.
//!
//! Getters and proxies may throw at any read, prototypes may be polluted, and globals replaced. The
//! functions of `realm.js` read the caller's values, because a failed N-API read would leave its
//! exception pending.

use napi::bindgen_prelude::{
    FnArgs, FromNapiValue as _, Function, JsObjectValue as _, Object, Result, ToNapiValue, Unknown, ValueType,
};
use napi::{Env, Error, JsValue as _, Property, PropertyAttributes, Status};

use super::lifetime::{InstanceData, JsEnvironment};
use crate::environment::Environment;
use crate::request::{text_problem, variable_name_problem};

type Get<'env> = Function<'env, FnArgs<(Unknown<'env>, &'env str)>, Unknown<'env>>;
type OfSignal<'env> = Function<'env, FnArgs<(Unknown<'env>, Function<'env, (), ()>)>, Unknown<'env>>;

/// The JavaScript environment of one call.
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
        let loaded = env.get_instance_data::<InstanceData>()?.ok_or_else(nothing)?;
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

    /// Reads the property `name` of an object, own or inherited, but not from `Object.prototype`.
    /// Fails if reading it throws.
    pub fn read(&self, object: Unknown<'env>, name: &str) -> Result<Unknown<'env>> {
        self.read.call((object, name).into())
    }

    /// Reads the own property `name` of an object. Fails if reading it throws.
    pub fn own(&self, object: Unknown<'env>, name: &str) -> Result<Unknown<'env>> {
        self.own.call((object, name).into())
    }

    /// Returns the names of an object's own enumerable properties. Fails if reading them throws.
    pub fn keys(&self, object: Unknown<'env>) -> Result<Vec<String>> {
        let keys: Function<'env, FnArgs<(Unknown<'env>,)>, Vec<String>> = self.realm.get_named_property("keys")?;
        keys.call((object,).into())
    }

    /// Returns the elements if the value is an array. Holes are undefined, even if
    /// `Array.prototype` has a value for them.
    pub fn array(&self, value: Unknown<'env>) -> Result<Option<Vec<Unknown<'env>>>> {
        if value.get_type()? != ValueType::Object || !Object::from_unknown(value)?.is_array()? {
            return Ok(None);
        }
        let length = Object::from_unknown(value)?.get_array_length()?;
        (0..length).map(|index| self.own(value, &index.to_string())).collect::<Result<_>>().map(Some)
    }

    /// Creates an error whose stack begins with the caller of the addon.
    pub fn trace(&self) -> Result<Object<'env>> {
        let trace: Function<'env, (), Object<'env>> = self.realm.get_named_property("trace")?;
        trace.call(())
    }

    /// Creates a `TypeError` for a usage error, otherwise an `Error`, without a stack.
    pub fn error(&self, is_usage_error: bool) -> Result<Object<'env>> {
        let error: Function<'env, bool, Object<'env>> = self.realm.get_named_property("error")?;
        error.call(is_usage_error)
    }

    /// Adds `listener` to a signal. Fails if the signal throws.
    pub fn listen(&self, signal: Unknown<'env>, listener: Function<'env, (), ()>) -> Result<()> {
        self.of_signal("listen", signal, listener)
    }

    /// Removes `listener` from a signal. Fails if the signal throws.
    pub fn unlisten(&self, signal: Unknown<'env>, listener: Function<'env, (), ()>) -> Result<()> {
        self.of_signal("unlisten", signal, listener)
    }

    fn of_signal(&self, name: &str, signal: Unknown<'env>, listener: Function<'env, (), ()>) -> Result<()> {
        let function: OfSignal<'env> = self.realm.get_named_property(name)?;
        function.call((signal, listener).into()).map(drop)
    }

    /// Ignores the rejection of a promise. Fails if the promise throws.
    pub fn ignore_rejection(&self, promise: Unknown<'env>) -> Result<()> {
        let ignore_rejection: Function<'env, FnArgs<(Unknown<'env>,)>, Unknown<'env>> =
            self.realm.get_named_property("ignoreRejection")?;
        ignore_rejection.call((promise,).into()).map(drop)
    }

    /// `process.platform`.
    pub fn platform(&self) -> Result<String> {
        text(self.read(self.process, "platform")?).map(Option::unwrap_or_default)
    }

    /// `process.execPath`.
    pub fn exec_path(&self) -> Result<Option<String>> {
        text(self.read(self.process, "execPath")?)
    }

    /// The current `process.env`.
    pub fn process_env(&self) -> Result<Unknown<'env>> {
        self.read(self.process, "env")
    }

    /// Returns the string properties of an object as an environment. Leaves out variables that no
    /// child process can get: on Windows `process.env` has names that begin with `=`.
    pub fn environment(&self, variables: Unknown<'env>) -> Result<Environment> {
        let mut entries = Vec::new();
        if object(variables)?.is_some() {
            for name in self.keys(variables)? {
                if let Some(value) = text(self.own(variables, &name)?)?
                    && variable_name_problem(&name).is_none()
                    && text_problem(&value).is_none()
                {
                    entries.push((name, value));
                }
            }
        }
        Ok(Environment::new(entries))
    }
}

/// Conversion of a result to a JavaScript object.
///
/// napi's own conversion sets optional properties, which calls a setter of that name on
/// `Object.prototype`. So implementations take them out of the struct first, and define them
/// afterwards.
pub trait IntoJs {
    fn into_js(self, env: &Env) -> Result<Unknown<'_>>;
}

/// Converts a struct to an object with napi's own conversion.
pub fn object_from(env: &Env, value: impl ToNapiValue) -> Result<Object<'_>> {
    Object::from_unknown(value.into_unknown(env)?)
}

/// Returns a property to define on an object that this package created.
pub fn property(env: &Env, name: &str, value: impl ToNapiValue, attributes: PropertyAttributes) -> Result<Property> {
    let value = value.into_unknown(env)?;
    Ok(Property::new().with_utf8_name(name)?.with_value(&value).with_property_attributes(attributes))
}

/// Defines a property of an object that this package created, if there is a value.
pub fn define<T: ToNapiValue>(env: &Env, object: &mut Object<'_>, name: &str, value: Option<T>) -> Result<()> {
    let Some(value) = value else { return Ok(()) };
    object.define_properties(&[property(env, name, value, PropertyAttributes::default())?])
}

/// Returns the value if it is neither undefined nor null.
pub fn present(value: Unknown<'_>) -> Result<Option<Unknown<'_>>> {
    let absent = matches!(value.get_type()?, ValueType::Undefined | ValueType::Null);
    Ok((!absent).then_some(value))
}

/// Returns the value if it is a string.
pub fn text(value: Unknown<'_>) -> Result<Option<String>> {
    (value.get_type()? == ValueType::String).then(|| String::from_unknown(value)).transpose()
}

/// Returns the value if it is a number.
pub fn number(value: Unknown<'_>) -> Result<Option<f64>> {
    (value.get_type()? == ValueType::Number).then(|| f64::from_unknown(value)).transpose()
}

/// Returns the value if it is a boolean.
pub fn boolean(value: Unknown<'_>) -> Result<Option<bool>> {
    (value.get_type()? == ValueType::Boolean).then(|| bool::from_unknown(value)).transpose()
}

/// Returns the value if it is an object other than an array or a function.
pub fn object(value: Unknown<'_>) -> Result<Option<Object<'_>>> {
    if value.get_type()? != ValueType::Object {
        return Ok(None);
    }
    let object = Object::from_unknown(value)?;
    Ok((!object.is_array()?).then_some(object))
}
