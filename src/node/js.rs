//! Reading JavaScript values without being surprised by them.
//!
//! A getter or a proxy may throw at any read. A failed N-API read leaves that exception pending, and it would then surface
//! synchronously; a JavaScript function that is called through napi and throws does not. So properties are read with
//! `Reflect.get` and `Object.keys`.

use napi::bindgen_prelude::{
    FnArgs, FromNapiValue as _, Function, JsObjectValue as _, Object, Result, Unknown, ValueType,
};
use napi::{Env, JsValue as _};

use crate::request::{Environment, text_fault, variable_name_fault};

type Get<'env> = Function<'env, FnArgs<(Unknown<'env>, &'env str)>, Unknown<'env>>;
type Keys<'env> = Function<'env, FnArgs<(Unknown<'env>,)>, Vec<String>>;

/// The JavaScript world of one call.
pub struct Js<'env> {
    pub env: &'env Env,
    process: Object<'env>,
    get: Get<'env>,
    keys: Keys<'env>,
}

impl<'env> Js<'env> {
    pub fn new(env: &'env Env) -> Result<Self> {
        let global = env.get_global()?;
        let reflect: Object = global.get_named_property("Reflect")?;
        // A function, which napi does not take for an object unless told not to look.
        let object: Object = global.get_named_property_unchecked("Object")?;
        Ok(Self {
            env,
            process: global.get_named_property("process")?,
            get: reflect.get_named_property("get")?,
            keys: object.get_named_property("keys")?,
        })
    }

    /// The property `name` of an object. Fails if reading it throws.
    pub fn get(&self, object: Unknown<'env>, name: &str) -> Result<Unknown<'env>> {
        // The name lives as long as the call, which is all that is needed of it.
        self.get.call((object, name).into())
    }

    /// The names of an object's own enumerable properties. Fails if reading them throws.
    pub fn keys(&self, object: Unknown<'env>) -> Result<Vec<String>> {
        self.keys.call((object,).into())
    }

    /// The elements if the value is an array.
    pub fn array(&self, value: Unknown<'env>) -> Result<Option<Vec<Unknown<'env>>>> {
        if value.get_type()? != ValueType::Object || !Object::from_unknown(value)?.is_array()? {
            return Ok(None);
        }
        let length = Object::from_unknown(value)?.get_array_length()?;
        (0..length).map(|index| self.get(value, &index.to_string())).collect::<Result<_>>().map(Some)
    }

    /// `process.platform`.
    pub fn platform(&self) -> Result<String> {
        text(self.get(self.process.to_unknown(), "platform")?).map(Option::unwrap_or_default)
    }

    /// `process.execPath`.
    pub fn exec_path(&self) -> Result<Option<String>> {
        text(self.get(self.process.to_unknown(), "execPath")?)
    }

    /// `process.env`, as JavaScript sees it now.
    pub fn process_env(&self) -> Result<Unknown<'env>> {
        self.get(self.process.to_unknown(), "env")
    }

    /// The string-valued properties of an object, as an environment. Windows hides variables there whose names begin with
    /// `=`; nothing that no process can carry is taken over.
    pub fn environment(&self, variables: Unknown<'env>) -> Result<Environment> {
        let mut entries = Vec::new();
        if object(variables)?.is_some() {
            for name in self.keys(variables)? {
                if let Some(value) = text(self.get(variables, &name)?)?
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
