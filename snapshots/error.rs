//! What a program sees of an operation that did not work.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;

use deno_error::{AdditionalProperties, JsErrorClass, PropertyValue};

use crate::protocol::{Answer, Failure};

/// The answer to [`Host::call`](super::Host::call).
pub type CallFuture = Pin<Box<dyn Future<Output = Result<Answer, CallError>>>>;

/// What a program sees of an operation that did not work.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.message)]
pub struct CallError(pub(crate) Failure);

impl CallError {
    pub(crate) fn new(class: &str, message: &str) -> Self {
        Self(Failure {
            class: class.to_owned(),
            message: message.to_owned(),
            code: None,
            refused: false,
        })
    }
}

impl JsErrorClass for CallError {
    fn get_class(&self) -> Cow<'static, str> {
        Cow::Owned(self.0.class.clone())
    }

    fn get_message(&self) -> Cow<'static, str> {
        Cow::Owned(self.0.message.clone())
    }

    fn get_additional_properties(&self) -> AdditionalProperties {
        let code = self.0.code.clone();
        Box::new(
            code.into_iter()
                .map(|code| (Cow::Borrowed("code"), PropertyValue::String(Cow::Owned(code)))),
        )
    }

    fn get_ref(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }
}
