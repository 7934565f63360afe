//! Programs that mean harm, in two suites. [`profiles`](crate::profiles) runs both again
//! where the server has less than root.

mod grants;
mod isolation;
