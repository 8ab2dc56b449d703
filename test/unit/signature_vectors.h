/*
 * signature_vectors.h
 *	  Public keys and signatures, good and bad.
 *
 * Those of the RFCs were accepted by the package cryptography of Python.  The
 * others were made with it, and with plain arithmetic.
 */
#ifndef SESSION_SIGNATURE_VECTORS_H
#define SESSION_SIGNATURE_VECTORS_H

/* RFC 7515, appendix A.2 and A.3. */
#define RFC7515_RSA_JWK \
	"{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0" \
	"l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgN" \
	"MsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5" \
	"z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3" \
	"qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkM" \
	"Ls91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}"
#define RFC7515_RS256 \
	"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsD" \
	"QogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgt" \
	"v3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5Y" \
	"Kt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrn" \
	"byTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6" \
	"_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUi" \
	"pUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define RFC7515_EC_JWK \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9" \
	"uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"
#define RFC7515_EC_D "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"
#define RFC7515_EC_THUMBPRINT "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
#define RFC7515_ES256 \
	"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsD" \
	"QogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38V" \
	"WAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6" \
	"NU1Q"

/* RFC 8037, appendix A. */
#define RFC8037_JWK \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMl" \
	"rwIaaPcHURo\"}"
#define RFC8037_PRIVATE_JWK \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZ" \
	"cDusAxyuf2A\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define RFC8037_D "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
#define RFC8037_EDDSA \
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_M" \
	"GCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVv" \
	"pAr_MuM0KAg"
#define RFC8037_THUMBPRINT "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

/* RFC 7520, section 4.1. */
#define RFC7520_JWK \
	"{\"kty\":\"RSA\",\"kid\":\"bilbo.baggins@hobbiton.example\",\"use\":\"sig\",\"n" \
	"\":\"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRo" \
	"jdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lb" \
	"zcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M" \
	"1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU" \
	"4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iai" \
	"Qkqgc5gHdrNP5zw\",\"e\":\"AQAB\"}"
#define RFC7520_RS256 \
	"eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbX" \
	"BsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V" \
	"0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb" \
	"24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW9" \
	"1IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.MRjdkly7_-oTPTS3AXP41iQIGKa80A0Zm" \
	"TuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mwzJdQx996ivp83xuglII7PNDi" \
	"84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa-XtL0RnltuYv746iYTh_qHRD68BN" \
	"t1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPocSadnHXFxnt8Is9UzpERV0ePPQdLuW3IS" \
	"_de3xyIrDaLGdjluPxUAhb6L2aXic1U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZ" \
	"WJushZ41Axf_fcIe8u9ipH84ogoree7vjbU5y18kDquDg"

/* RFC 7638, section 3.1. */
#define RFC7638_JWK \
	"{\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78L" \
	"hWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhM" \
	"stn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Q" \
	"vzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD0" \
	"8qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1" \
	"jF44-csFCur-kEgU8awapJzKnqDKgw\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"20" \
	"11-04-29\"}"
#define RFC7638_THUMBPRINT "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

/* Points that are not on P-256, or are not written as they must be: the
 * generator of secp256k1, and x = 0 written as the prime of the field. */
#define SECP256K1_X "eb5mfvncu6xVoGKVzocLBwKb_NstzijZWfKBWxb4F5g"
#define SECP256K1_Y "SDradyajxGVdpPv8DhEIqP0XtEimhVQZnEfQj_sQ1Lg"
#define P256_PRIME "_____wAAAAEAAAAAAAAAAAAAAAD_______________8"
#define P256_Y_OF_ZERO "ZkhceA4vg9ckM71dhKBrtlQcKvMdrocXKL-FahdPk_Q"

/* The order of P-256, and other numbers of 32 bytes. */
#define P256_ORDER \
	"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"
#define P256_ORDER_LESS_ONE \
	"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550"
#define ZERO \
	"0000000000000000000000000000000000000000000000000000000000000000"
#define ONE \
	"0000000000000000000000000000000000000000000000000000000000000001"
#define ALL_ONES \
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

/* A key that was made so that r and s of a signature of "message" are small. */
#define SMALL_X "H9ViAaCT_xYMl84VGiujbXejQh2hCk3j91FwZxQEgko"
#define SMALL_Y "sJOCfAIw6roeS-QcJejejR5s6B7pXeQU8WgpdXE2eto"
#define SMALL_R 5
#define SMALL_S 3

#define RSA1024_N \
	"35Q63iKfekqHYYLisdch7Zm6Nc7Z2Bl-olwfJ0h-WytJi2Tlz2ANApNniLHCScBfMv" \
	"BvU-z6yijO8zMXNEjVPLKzvHrcuqcN5cKzfJTxjcRFY7WFOiYErz_Wr8kQPSoZTaNo" \
	"YaSuW-T8_SY4njAjo6ilEMpzSKHzazDEADsQdzM"

/* The order of Ed25519, little-endian. */
#define ED25519_ORDER \
	"edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010"

/* The points of Ed25519 whose order is 1, 2, 4 or 8, in all their encodings. */
#define ED25519_SMALL \
	"0000000000000000000000000000000000000000000000000000000000000000", \
	"0000000000000000000000000000000000000000000000000000000000000080", \
	"0100000000000000000000000000000000000000000000000000000000000000", \
	"0100000000000000000000000000000000000000000000000000000000000080", \
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", \
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", \
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", \
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85", \
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", \
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa", \
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", \
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", \
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", \
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

/* Encodings of no point: y = 2, and a y that is not below the prime. */
#define ED25519_NO_POINT \
	"0200000000000000000000000000000000000000000000000000000000000000"
#define ED25519_ABOVE_PRIME \
	"f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
#define ED25519_SMALLEST \
	"0300000000000000000000000000000000000000000000000000000000000000"

/* A key of RSA, and signatures of "message" with it that are not RS256. */
#define RSA_N \
	"28lZ3HAtjFCwiHwEXgsprUOJZx8WTENZ-DeHGdU8ZK0t5vBGnh3LtYtAzUAGYqlmLw" \
	"QAgyd0ml4z-_iOdc60hp4wVM4FAhC20tzzOGi41SRTgII3H6mk3qJlYskm_eZigw0v" \
	"-pgHXd3Hrwcq2U3YVePSEqKjvH64pLCXwK-MfcskzWCOUJfkfS258z7DuzNBuBYpP5" \
	"GfSo7wlejj1gDeWztd9hBUI32KwBHePpRUdsk7FlL0nKaDoq18npYO0IKOjx6WhHW0" \
	"DnGTeNa8Lg0e93OjRdmADrgm_3N0pnVgcTCKxxW_Jpwgsgz0zrOpL5KTg25bWEq-iZ" \
	"_IiixximTS3w"
#define RSA_RS256 \
	"HS4_3_5xRA7Y9DKAkjWWkA7cQRVuRhWr3LiYR0YZNr5wJhl2paZGL9SquijJu6Zbib" \
	"e-8udocsCT3CVo4y0RdrYMpjBQntEJ5EWzWrrTWlAyYuecXMefsSF686E1rY-UTEla" \
	"yHyRiKX2kYONW7hJnV7xXYB-Z7Gk219nGKGRTh1TT9ycAx25rvAMsPWxk1vIScVxMo" \
	"bzqPJtmIFpJqgnmGaCq3y22HG4ThdyuFvphaCxgHJzAjG8MziNVulH_4ma5DyVl-X0" \
	"QfbOS15DxK5qLUwquxzIDKNqSigzNWMgms-KglWFNsxrE0B4cr-yPEeBaiPWATGtUz" \
	"rQqCBVbUflIg"
#define RSA_PSS \
	"nhvq42Mm-XpP7d7uuxiY2qpktRJrZkdogWg01Ak7dF-Joh7xFjLr1lDgFad1PMk5tP" \
	"pjrKjAj401MNAtY55zitIhv-BZBB6MCC4CEf312sMxGHSfdNAZ8nYwN55E1lOMfiZr" \
	"ih8U9P6LZQ_WhemUeq82os-UJo8Tz3JBtqNdUF8xnjvwFEoJ0bTDZM3Vz8XPeTlsQ8" \
	"e5lmXP_OFUTe3QEaAF1UA6DfM3traievg7ES-osAhAM-ikP_D2FPhVw5UB4_P3UzT3" \
	"D9HDVKehdZiN83Ubmxy0u2kn123JxYmQhWMfOIQm9y86Lyl7OuiVYtTrlF5qVpGZP4" \
	"FJK-bTVUSWTw"
#define RSA_SHA512 \
	"JlhAGPuKSqOynPqnuF8hedtCd58SzV_2xi4XcWvkwLB6S4w61I2ChjfjDJniFre-GY" \
	"pY8X6NL5n0dr_QQBNCPa-cz_XVKecpv9Uu8dNRw4JK4Dv3v07N2SI4v95n3h2D63Mk" \
	"6YeyiOgEzVDUUNXiu7ljtKvT6hh5nZTixbMYpkV1kJOQpcatd6tbzoEYVc8BHqrjav" \
	"XZfd7Gsr_X9q6yAZY57ROHj69KZOZ96PiJ2HZ74QNdMoPxDlZSDEOwY9Z8RWl6FP1V" \
	"g7a6K4ratlZCvtkNNIF3ictBoxjcHPIoJT3e9PCw9X-osiWh5uSfHXna18FlGyVF7A" \
	"4t0xsoS0u1xQ"
#define RSA_SHA1 \
	"z1BDs8YcTUcjtv6p-2E1C1KcMsZ5CxRHab1EMMAKl5WNKLOyjFzuCM4E9n-qtFSJZQ" \
	"B_5qGs7o-gRNcU-V6Ql8sCPxz--CCPXtmW4iE6XWPbEpftb0i6sQFJhES9_aVqx9C8" \
	"bHZEkjd7kS-8C8vNo2ojZQ3kHQsK21-DF7-BdzVL1MuKPxyBkhmUjM4qixCdtHXbNs" \
	"aKt-eFotPDsc1eo0q141FQ4ids3Nvlrx1h54YbBDhZY5zC8ELHOZZiotMKWWbUtyPx" \
	"m6_-w4L-tkWZbOpZPCd59Q7k2b3HFaN7BT7WQwuPAi6AwguzBGTno5kmQBDLYoetL6" \
	"oaAN5EQbFs2w"
#define RSA_NO_INFO \
	"yVT9pIECTxZbyS0jtFn7T1_DAVbuHi0opUYnk5n2i5Q7oGWUgVIeBPqIUBJM_hRIrD" \
	"boETuZHkItNV4yfB7l5vw5AsLxf-nIsFOB8gzJ1SsXKC4Hu12dxifSfbVitG7-mfEy" \
	"ZyeL6z_8VqfVsIlgE5OTtmQp3ZHt4JCvKebn0orl4ppZ8TnIB60RfXlZxXw1m-qpTb" \
	"1kWYVyX-83P7bN1ezsoG44zZwpViaAaoDphwLDRS6bgqDi39KyWvCvgmordBvTg9yy" \
	"wuE36jCYwloQ36v1S8UP32VuuVGfYh1HjoLQyA3G7Sn65DL3_vxmGf9HBp4TqeH_TP" \
	"gLvXcWrWUrKg"
#define RSA_NO_NULL \
	"dK8FDbG6mX58-X1HAZ4G7URHXBE0_kt7gpgkPwbfgxjQ1u0xP-LF1-VBx0Xc16Orrt" \
	"0KaKFXg3YV2egsXQtVqCbLe_QjVlMxxnZSinXW8z3JhGw6aqNuJeROzz_dXYgq76TF" \
	"eRnVaLQ4BtvDKWnh85q7hs2-u1YFkHoSLoZzr75CLYqVNuIFmicrMX0H3_1ZuGXTUw" \
	"r3FrY0UAoBpyF1uMlOU1TbiUvXVIdEe86bFZhskyfNEMbvSwrtg-TYHFZycxuv5njs" \
	"dxpeVW_NAo9jaKZpWp3ie6mbfmSpZFSqMdyI8ngyjhel8xtecYI83Hed0GuFeQd8b5" \
	"nrU33SZ-PLaw"
#define RSA_LONG_LENGTH \
	"CwO95gZFDNN9PYM6goztZK06nXK43LqSgsqPgUz9RRAtTAu0euUn2DM0u7FyHYr-e6" \
	"BxREfzPVXGIYpBL2N35Fr5ty362yFIk10Bn3thb2D9DbpDp0QAC4U7SD-42t1oIp_1" \
	"je4C9TLXPbvrrfOWb3a5sI2HvGGBccucVC4IdKtvZeto6ueBCOxxt3usLRcLaFFUg6" \
	"g-kzX812JzvLtmnvjREpuXgbl4-_OA2TnouawM8PENHYovzX5ns7q39SnCeN0fhgpM" \
	"WzciVgQ4Qqe1-IbStPY_7_wP3M8_S0WtQXIgYO8tpVNgYaZiiIYMpmLytdQNFL_vQk" \
	"o8FxzvpYq7dA"
#define RSA_TYPE_2 \
	"kVx8uGLq5uYqLn6WT_xQjp3jSYBKsjxYiFAuZemFEf6OkQJ7Rox6dCKwpInzNCIsOT" \
	"UcZyU0OSuGqac9R7YhJ91-7_s2wOZ1tO0ueu8YNWB-6ucPAGXMQgHKUH_493dFKfFY" \
	"LEYaccNaWGL7ic26MAXXbUZlA7lUAiO5U_RHgcUSO0SNnMgGNwGqJuf8S8xMR7RNeY" \
	"lsyJD-odbhYhYCDibPc_HEc3lP9hPvKipWFVhn0xh2EEcPv9F35nPTcYcypW3ojYHX" \
	"IosbeGaKpD9f7kqQF1SQ5L1rlEZNXnZIktGVnIk9yifqNg5sukVHOoVsvrZF4RrarT" \
	"oFLbaL41fyXA"
#define RSA_SHORT_PADDING \
	"FNEyor77yeEFOI-lddfN2dcIjD3ePt3et57lwvQOmVJNmx3oQMuTth7vSFn4mnCBHm" \
	"W1HENHo7W42Vhrki4owpOGWpnf7mxKqJ9X_ZPk3kyEbhmn-3gePcmZbt2IYqnT__ux" \
	"UGbL91SYSB1RVBNNaT2ILoobtAKlkH5TtAkZf0SlnmglT_n81hnnBBvryivbJxjc-a" \
	"go-MEFz-I1FxPpS-tZsKYROD8xDmjrRF7jxZDJ33B7cerbZzWyIzbw5kxok313nWIe" \
	"0EfGbnKWWaBeYBpXoiEyWm0wj8Ah4Mr_B7SzTwlMytKnhVddTwPN3YUPFVHC_Y_5nf" \
	"zaY-1kiGYatw"
#define RSA_ZERO_PADDING \
	"afLgcwCdBzNWK_Xb_KpOH8BvP1LwTC8c6XIhBk-Xu1as9i1qknhqQiLKyUePtDNthb" \
	"rNWfpT_vC05kLEtnSKQwhFXJRr0lywxBXqosMH7RGgKR4JB7OIWL3S1texcwMseye2" \
	"ipUYsUkhhGtUn_--Ri6WWnibTyBBUtq_zSggPkizVtsDPaMn27BDbQjhfdGAZQT61k" \
	"cdyaAeIiyflNgWJY5abVIyTzfF4SgKvp6Fn81o3LlREKlqX3SgUGCuQ3GlbTcHtZeV" \
	"xT6F_ngsgRn7RDL4zJidqLry3OL_E3O5DdnW2rwxg8ZfRl1_uzotk2Ci0vKxBA7IdY" \
	"LwZfJDctTQUQ"
#define RSA_PLUS_N \
	"-PeZvG6e0F-JfK6E8EDAPVJlqDSEklkF1PAfYRtVm2ueDQm9Q8QR5V_rh2jQHk_BuL" \
	"u_dg7dDR7H2B33WPvF_VQ8-v5VoOHAtyKmkyOML3SF42nTfHFEj8PgVmpcq3X2z1aK" \
	"wxSY5oO-QIq4NQYh80LDcCMiJDBdgA_-2VEdy-h4HT0qU7WeLB3GpDR1To8KAduach" \
	"iS84FeLmpM_KkF86HgoY0K--9DDilQ9vA9_GnslsVnntg_1eYJ9X9W0Awpc1ssHFuo" \
	"UGhhxDT_8ruJJL_OAPZIG1uRSZun29iBDAAVSWtEXWiLxU1tQXNba9oU7ZIxWXxr3N" \
	"qZMkzG96y4AQ"

/* A key with the exponent 3, a signature of "message" with it, and one that
 * was made without the private key: only the begin of its cube is right. */
#define RSA3_N \
	"yIHmNv0B9ZoJA3t52S5iIAtDh6szRLI2LkG-LrZFPoxKhytmueJ7D-O8GslV50jxZ5" \
	"BabyPrx5iX72vmmxzh-Q73Ho-cruC9NTrMFNwyvYynEhsMCgsYd4GsehhJWlvmv4Hl" \
	"Se2KDvuk-nMrboGoSYet4UW7EQrd4hJdTnxprNJOCwXjk6yVohbfhqkpw7K20K778l" \
	"lk-nmOoy6pLo4MbuYaLyC7qTxv4IMgBCoaKMAW69RmbgaMwk9OOY6H-fagvvxqqQ1m" \
	"L0PCQ-Y4r9PiJjDAI9jqh4m7I0Rkf7Rh6_1OW6WgnWXec4ssLBZ-Ow-15wzoUBKHrD" \
	"lTf5vSWl0pZQ"
#define RSA3_RS256 \
	"qjdd-3Og4wg8cA7YFt9QWgo5yAAbLzKm7tnxn9BbjLDSOph8uZj4KPnL0x4olsbpOQ" \
	"dUpdpVCsI87jgNhLMOJASepgpyy2HiLvYZVf6qclIUJ2ezqkT2eGDc31eiUtfKkYxi" \
	"T3RvlyocwZg_TI0jsvYGaq9mNSwWXFh8FG3eu8rWpYFp54jqZSZFxJPvdvdTslcFdM" \
	"aVIJZiDZQbRh9UD_tznoqlOVb2LtAJc9akFFFfCIUeXE90zK5HeMzJJzp3JpclPICh" \
	"K48wyNk1QbOgxQn0IPBftZMm8FADcyn7v96_2uUndEe_0u-djOnwc3zVEsbRIj81bQ" \
	"fGPlcwIkNRgw"
#define RSA3_FORGED \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAMsv9SnrceQVYPXZ1IPUWQHWRdtN4JvLvY649" \
	"x6vIXA9knvEqTaMRsnpceg9F5ZYGuuc5_5K4lYDx8QATDnEaXa2c-jH3x1DiKDCIvR" \
	"Rrehz0JPbFGQ"

/* A proof of DPoP by an RSA key of 8192 bits. */
#define RSA8192_PROOF \
	"eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IlJTMjU2IiwiandrIjp7Imt0eSI6IlJTQS" \
	"IsIm4iOiI1Q19OTGV0MGZ6LVJGeUo4dUVJcXNKOU1mVjBNYkI4S1YtemtjU3VHVFhZ" \
	"SU9xM3k2Sk1WODJhUURPZmdkQzFBVmJ3R3VFaVZraHU3YXYyaHJSdXZ5X1Z3Z3drQU" \
	"plQ2cyZlhqUVh0WFk2TDBwOUhzU0ZscGR3Tl8wNTljakNTNUkwdE1sTFpxQ1lOVHk3" \
	"YkxuVzJLSkQ4cHlEVDI1S2lRYkVwT0RIRlA4MHh1eFhlLUFvaWx5YnR6emRoYzc3ZE" \
	"ZDT0NWZDhzaEhDWXBFb0doVEZBZFFaaE5LNklacWlYOUwtYV96bUJ0MWp5b1MyX0wy" \
	"aHlfRlZkUU8wRUJUMkEyVVQ1VkhvMENHbE4yc1lMbzl1X2RicnNYMm1US25QOEQ2VG" \
	"c1SWcyWGdwWDdwVVN0dUtnWWRvVE8zams3MTBRREJoZHlYLTN4cWdneFJNRlNCdGw4" \
	"TjNVNFFOaEdxYmlyNl9jclpNS0F3YldhNUlrTTc3UmVrZGJka2tLb1MwZGxYcWlLbH" \
	"FZYjlQbWFJRTlXMjlDR1hyZ3dCdDNkQmgzdjd1T0NTUHVfNUJKd2ZyTnNmTF9UcXhK" \
	"MGItamxKNTJPQnVjU2FCUW1MTjZYQnZISmtnWl81aEJNekU0cW5fZ2tjeHM3SnFmYj" \
	"VNeDktSDRWYU5USTBIVjJ2LU82b1N0Vjg4a3B5TktoZmZxdHhCU1EzZ2JRNWxISURU" \
	"bW85V0lvTDdNVjQwS0NCQ0wyZ2U2RjVvTlZQRWVUc1Q2TEtXT2VQZEd1R3UzSXlPaH" \
	"oxZkNjMXc0Mjg2SXJkSEktd19GN3ZpSDBGbkhqVWg4c3RSX213bDIwNjU0clRlRVV5" \
	"OW1nSDMtbUUwRVR6aWRWZEFtWnRzVnRmUTBpMHNnNHRZWHNMNzlhTHJUVlI3eWVrYk" \
	"Z4Q2p6bk5aRkpSb3MxY0N0dk1FUVA5eXNfLWNQRE5JbGZXbUlkSTdKcWllclJWNExR" \
	"VDJUSXd6UnI3bUxnZVpTdG1kSUo1d1Y1bWVaMTltMkR1U0JXaF8yWExlNGpQajRONF" \
	"9rZGtVdHc1RmMtREZYOVdwZlZSazlRRkUwVzJkTmp5VnhHR253UFMxRWtQU2pkOHVf" \
	"S3J6UldQZUhQamIxaWZldFI5SlBFd1hRTlVNbjJNejBZVnZiRllqX1hXRmk0Vk9FTV" \
	"pJWEpDSFJjMTdoNlR1TnIwRW10dk92TnBha0VFZmdua3hGZkUySFNaRkNQaVpxRmZi" \
	"aUxJc010ancwZ0ZDcTR2ajN2eGtBdS1YVkJ0eTNpSTdQTF9DZ3J4TzRsbFY1eFFfUk" \
	"ZDMnRNazFSZ0dwRTdRQmI5YVdYWFhidk93Y1hrYml2RGl3Vlplak1lOXdpT2dhT3hC" \
	"dlRYZFNfM0FuNXNLLVNIU054ZVF2MkVvOXhzRlQzM1JrY2VfZEJYcUROTG9zRmFhaj" \
	"VnMi1yWHNxVUxqTFcwdDJXVnYyZkVVbE94S2RjMl9PV2ZtRnpNcTZTRWY0UlR3X0Ns" \
	"Q3JlSmRmRERaN1R3b1ZJVWpzd1FWSldldGI4SEVibGlFQk9naFhVQ3Y1bkI0LW9rZF" \
	"dFLTlfU3ZweVZ4Q3dGaXJYY3FxaE9hb0dxN0FzODdVZWtKdzlLVVNRRzRfS3ZpUkt2" \
	"S29wZUNLYmVnOS1IX2ZSem91T3J6d3g3elhnYW1aaXpjNGFnNjh1bU9rTVY0LVZZWE" \
	"U0MkkwSUNMS3NpQzBnZzdQR1lZLXZfc0o1NVhCTHNWUGxUaTlXUGlVVHdDRk1ZWjV2" \
	"NkE2eDVSbnNHSEZOc01CVmsyMXBFMFpIbWJHLWtWOW9SeEpRIiwiZSI6IkFRQUIifX" \
	"0.eyJqdGkiOiIxIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9leGFtcGxlLmNv" \
	"bS8iLCJpYXQiOjE3MDAwMDAwMDB9.dpYNvuFFfpDmEj0MFxrDX5VxLc-q51dccfWkq" \
	"DowbA9H6iu-0cYzn6BzQF4gpSi-CfusEc4k5M1_iKpL-gfM5vbJ16IMJINpPl8IcCR" \
	"I-EwMcG8MHTkX1QPTZWPnF32AS5i8BB9MQKm-t0C7huGyDLnKJtpv9FyWaGvLM7zLz" \
	"B9ki_su4gRrvnMTAk0zNoaeuhdJxe1OkS88WInglgyP1TIvijkIBob1IJirxN0C5KY" \
	"cJ19AAomYyme0k5YANGpUfXrAw5gkXz-E9y5kA0BkAQJZ4onNup2GvROJOU2XJsF9s" \
	"sTxafoBXASrfqnkb2jP9Zk96RGLCffW9fhYfFUOK-AXFbeo78HJFkF44P5dy85U3yQ" \
	"7Ga2XaWwGZhkLIsMJ41g6aP1l1ni_CPaTJs8Z1J9rJCv9IhPbAaoZOsw_9mG5iKFX9" \
	"KqC4zvLoqbpmfUUZ0Ahlv1VGzVLn8Me5KCzjSxrOIqZw6GyPkd8JU9u4YtdhTpQHaC" \
	"_heQgpK4Fp-DjyxIxAm9kF_6XEsMIRrFbGD1buzijGI1quoWF8DqSSoL7RrDcuM7bg" \
	"4D9ytTERPUkzcYFlEIXw2b2037DVBgPj6sAuPBCcI54vf46ZVkSmDeIqYyFmzo1DuU" \
	"48lmCq_SAUcn1N0yQ10OWyYZ8kFdcW4jVjK2gZTRhsHVJOg9AnSw6ABtQuCl2fkZbV" \
	"BrHutlHmNcnKUMF0O1ysldus_KCucqO_UYV4ZEZBZfoMVMuN6ZT8zaCUQQncwT7fSj" \
	"SlX6RXXmaKtNpgwe8EupUu68kgwWBmM_xSxXTpfji6mVyo_JC-0oyHV44DQtmuB1_i" \
	"-BrgepbwhiOUuUwjY63Sp7lqGq6d9DnHC00vUImfAS2TI1aT47vRRTkSyoSXwN_0Op" \
	"t2QgUd96JKFC-K1-tJA9KW3PqpW_sRXE-9UCFsXKOdi0_OQT56GT2E3wLtzKStQSlQ" \
	"VN80ogpsV3Q-DLvjIPCPssRvib4JR7ZTMhn93DDrQi3jhKIkcM5-xpdQceQK47W4Au" \
	"km_vhsRpoUkQOxTmilNOwVaIYxZI8KCnYK_s7fntPHPsJ7rBjNJ4p1ZavVhgHYJ50k" \
	"9TO3uMQPnx0YRyq6WBiqYdxFcAZEIcSRaflTyCvQymGr03-yUh5MGgCrjFbFVGl7-S" \
	"9RWZofCP5lhagKWkZ7lePMXJaHXSqvpqqUau4zVx-LArWti7o5h689SJ3O9fiMt-zh" \
	"Hgra8vDjKCEqwnz2AxPhIqTeVdIQw-7sBTm28C_WqlNBL7u6V7Tn9jwPzj5tMfltZE" \
	"K4zR-D41FSxeJpbfWUNDdvuyG2EDwpmtRke1pJpT61TuwtGI_s0HMBPmfDvEaBs1pC" \
	"daTX_1Xyg"

#endif							/* SESSION_SIGNATURE_VECTORS_H */
