/*
 * vectors.h
 *	  Encoded values whose payload and key are known.
 *
 * The values of Auth.js were accepted by @auth/core 0.41.3.  Those of goauth
 * and rockstar are computed as their code does.  Our own come from an
 * independent implementation, with the key 00 01 ... 1f.
 */
#ifndef SESSION_VECTORS_H
#define SESSION_VECTORS_H

#define RFC7515_KEY \
	"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS" \
	"4hcgUuTwjAzZr1Z9CAow"
#define RFC7515_JWT \
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJle" \
	"HAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnV" \
	"lfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define RFC7515_PAYLOAD \
	"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com" \
	"/is_root\":true}"

#define GOAUTH_SECRET "test-secret-key-for-session-cookies"
#define GOAUTH_COMPACT \
	"eyJzaWQiOiJzZXNzLTEyMy1hYmMiLCJ1aWQiOiJ1c2VyLTQ1Ni1kZWYiLCJleHAiOj" \
	"QxMDI0NDQ4MDAsImlhdCI6MTcwMDAwMDAwMH0.Hj_9qvfGxS6ngeDExNTVksgf62Yc" \
	"1vvPRi4MQCP1Nbc"
#define GOAUTH_COMPACT_PAYLOAD \
	"{\"sid\":\"sess-123-abc\",\"uid\":\"user-456-def\",\"exp\":4102444" \
	"800,\"iat\":1700000000}"
#define GOAUTH_JWT \
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjQxMDI0NDQ4MDAsImlhd" \
	"CI6MTcwMDAwMDAwMCwic2lkIjoic2Vzcy0xMjMtYWJjIiwidWlkIjoidXNlci00NTY" \
	"tZGVmIn0.g9q0C76LWl8mxBm3ledMXBopVnX4JxkNCGadkLWQsCw"
#define GOAUTH_JWT_PAYLOAD \
	"{\"exp\":4102444800,\"iat\":1700000000,\"sid\":\"sess-123-abc\",\"" \
	"uid\":\"user-456-def\"}"

#define ROCKSTAR_SECRET "0123456789abcdef0123456789abcdef"
#define ROCKSTAR_SEALED "AAECAwQFBgcICQoLXoDID_Qp4J8j8EVm7tAEyBTQyVZaEGRF"
#define ROCKSTAR_PAYLOAD "sess-123"

#define AUTH_SECRET "correct horse battery staple 0123456789"
#define AUTH_PAYLOAD \
	"{\"name\":\"Ada\",\"email\":\"ada@example.com\",\"sub\":\"42\",\"i" \
	"at\":1700000000,\"exp\":4102444800,\"jti\":\"11111111-2222-4333-84" \
	"44-555555555555\"}"

#define AUTH_SALT "authjs.session-token"
#define AUTH_KEY \
	"547ed2c60e70d5acd98db347b131c6d1b025572659babf352f32149806d5bd875a" \
	"bc2f9e788b31da9b8b441fa6d691ed9e1dd0cfabab301c7137c93b8d971920"
#define AUTH_KID \
	"e-3qPoLYxOwnxu38c5hNAkQvjNI5B1vaSw-oEF3TLV6xb8allY-p3vjJa9o5Z1MyMR" \
	"IkhWG1WKMdoABWBmoTMg"
#define AUTH_GCM_KID "F5_Fg-PI_bZNynWrW1guDNBuOJcnYZvIzrTmVxXUP6o"
#define AUTH_CBC \
	"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwia2lkIjoiZS0zcVBvTF" \
	"l4T3dueHUzOGM1aE5Ba1F2ak5JNUIxdmFTdy1vRUYzVExWNnhiOGFsbFktcDN2akph" \
	"OW81WjFNeU1SSWtoV0cxV0tNZG9BQldCbW9UTWcifQ..AAECAwQFBgcICQoLDA0ODw" \
	".MbkmrF6RPLmGCRiBDgnUqILf_w5Ttc0xWXB0ztN3WtajFNptPozqG0yA6cR4FzVar" \
	"jex7bsh06y7wZuUn5JQXNaGYYZ0XUyL8BuXfhgV239flVra1TaSMsZRez6P5yJ9R3I" \
	"AEA2vN8bf6UtAOmBYj9WcKsjXvbK8zN6ChjKYe5bTqhEo_SMPQZNhaQ7hV7LP.EmJ5" \
	"ihU6CBJgeGqyMlFvvesEFrP9Hhf0aJc8cCxRJxw"
#define AUTH_GCM \
	"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoiRjVfRmctUElfYlpOeW" \
	"5XclcxZ3VETkJ1T0pjblladkl6clRtVnhYVVA2byJ9..AAECAwQFBgcICQoL.LGvkI" \
	"l_jZgbQSpW333cjCW-J9KcFjKUn4KvViq-9lJxM0oUWEbOQj2rVieKuFdi2Bb3y7yL" \
	"8v2MakGczH-uPH_HjE6QtxkAllLSEV3XG98ZsQhnxXAkpdXsKl7VuMHLGb-rqvUlYO" \
	"jP1fY8NbLUlIOPDvgPEmZF6hpzO7bX8poXCKw.UNhZIIv1ni4JQ7Ayhqiu-g"

#define AUTH_SECURE_SALT "__Secure-authjs.session-token"
#define AUTH_SECURE_CBC \
	"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIiwia2lkIjoiMm43OVM5UT" \
	"dwNWI1Sm9UZktjVFBpR09paEpEV3JTOEJCbEo3dEVnQVV2aVNPZjZhTVdIZ3dZTzJS" \
	"WkJQbmQ0MGc3RmN0bjdfN3FDNUdxcU5YTUNja3cifQ..AAECAwQFBgcICQoLDA0ODw" \
	".jaWj_b3lr_nrQTVXQFwYVER0npF88_YByJzFtX99t2eQ-vL2NrWxMhL5nfv24OX7K" \
	"dT3D_fFQSXJfrZDy71RoXYSVUQv_PRDHYiBbTlsjd68HdUdP6fCVn7UW4Xnxps1TgP" \
	"CUsVbZWyAgfNBtGhnzDf3xFJj4y-oYZAIuPearxOKSZsJ8vp-yKmhmyO1nSZP.W2xm" \
	"rtcyxJLcfoJ6ysDMzsdt5n437Q3FxB9uIknTJsU"
#define AUTH_SECURE_GCM \
	"eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoidC14OWNJZWtkOU44VG" \
	"8zWHU2dlh6NFotaHJBYWEwenN4YVVYalVIeEYxdyJ9..AAECAwQFBgcICQoL.Sw-l7" \
	"eCAJrBPondoh5oUIZzECuaaLMI2FkypsXht3NHen_Y-KqzDhzw75_Id2ajHTix22jM" \
	"TJpsGDCzdlxlqWQ_A0rVjTJ9dmGUjCV-LbDpU8bCR3b-HIEa5RaQtmfKO6Ww9eTqHn" \
	"N8CY8gwLecwCCwQBiMywAot1vqNzX5ZndnmCw.2ITuQv_EB9iMQTk5Bh2z1A"

#define OWN_PAYLOAD "{\"sub\":\"42\",\"exp\":4102444800}"
#define OWN_COMPACT \
	"eyJzdWIiOiI0MiIsImV4cCI6NDEwMjQ0NDgwMH0.jHe5B3QOfIlxUkC_QLuFa1PTKT" \
	"aEaND2QQmJe06wrZ8"
#define OWN_JWT \
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsxIn0.eyJzdWIiOiI0Mi" \
	"IsImV4cCI6NDEwMjQ0NDgwMH0.QzOmHuZ0TP6MpI-lx_Khz9oo-6FeomXRGzFS2aj0" \
	"pyg"
#define OWN_SEALED \
	"AAECAwQFBgcICQoLrmX2tfBW347Ar8hUOyGQFA5AE-tYCiiXknseOyg6CSwgzXBKwa" \
	"Jq132vM9rw"

#endif							/* SESSION_VECTORS_H */
