// The host command line; see the issues for what it will say.
print("loader-inspect: not there yet")
