curl https://api.cloudflare.com/client/v4/accounts/$CLOUDFLARE_ACCOUNT_ID/ai/run/@hf/mistral/mistral-7b-instruct-v0.2 \
-X POST \
-H "Authorization: Bearer $CLOUDFLARE_AUTH_TOKEN" \
-d '{
"prompt": "tell me a story",
"raw": "true",
"lora": "00000000-0000-0000-0000-000000000"
}'
