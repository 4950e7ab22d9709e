module cmwq/bench/peers

go 1.19
