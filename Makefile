loader:
	LOADER_FREESTANDING=1 swift build -c release --triple x86_64-unknown-none-elf --toolset toolset.json --scratch-path .build-loader --product loader
	mkdir -p build && cp .build-loader/x86_64-unknown-none-elf/release/loader build/loader
