//! Client verbs: images, figures, reset
