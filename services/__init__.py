"""One folder, one deployable process. Services never import each other; they meet in `libs.kit`."""

import libs as libs  # says first whether compiled modules serve
