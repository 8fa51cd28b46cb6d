"""Functions of networks, each a composition of functions that have derivatives."""
