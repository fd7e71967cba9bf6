"""What ``cuescan doctor`` finds out: software, machine, selective scan and folders, and what is wrong with them."""
