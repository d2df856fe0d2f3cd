//! Labels and classification heads as people have them.
