"""One folder, one deployable process. Services never import each other; they meet in `libs.kit`."""
