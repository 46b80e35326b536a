SYSTEM = "x"
